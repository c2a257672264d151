-- Tell every running worker of a change of a service or a route, whoever makes it.

CREATE FUNCTION notify_registry_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('registry_changed', '');
    RETURN NULL;
END
$$;

CREATE TRIGGER services_changed
AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON services
FOR EACH STATEMENT EXECUTE FUNCTION notify_registry_changed();

CREATE TRIGGER routes_changed
AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON routes
FOR EACH STATEMENT EXECUTE FUNCTION notify_registry_changed();
