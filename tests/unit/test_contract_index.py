"""The index from the contract's rules to the tests that pin them."""

from tests.contract_index import TESTS, rules, table, unlisted


def test_every_rule_has_a_test() -> None:
    """Every rule and every status names at least one test module."""
    assert [rule.name for rule in rules() if not rule.modules] == []


def test_every_module_named_exists() -> None:
    """Every test module that the index names exists and contains tests."""
    named = {module for rule in rules() for module in rule.modules}
    assert [module for module in sorted(named) if not (TESTS / module).is_file()] == []
    assert [module for module in sorted(named) if "def test_" not in (TESTS / module).read_text("utf-8")] == []


def test_the_table_is_aligned() -> None:
    """The test modules start in the same column on every line."""
    modules = {module for rule in rules() for module in rule.modules}
    lines = table().splitlines()
    starts = {len(line) - len(line.split()[-1]) for line in lines}
    assert (len(starts), {line.split()[-1] for line in lines}) == (1, modules)


def test_a_new_heading_is_reported() -> None:
    """A numbered heading of the contract that the index does not list is reported; text in brackets is ignored."""
    contract = "# Contract\n## 4. Writing\n### Parts\n## 7. Tables (others use them too)\n## 9. Reading\n"
    assert unlisted(contract) == ["9. Reading"]
