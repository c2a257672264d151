"""Settings: reading, validation, and the frozen dataclasses that hold them."""

from service.config.loader import ConfigError
from service.config.sections import DatabaseConfig, MandrillConfig, RetentionConfig, ServerConfig
from service.config.settings import Config, load_config

__all__ = [
    "Config",
    "ConfigError",
    "DatabaseConfig",
    "MandrillConfig",
    "RetentionConfig",
    "ServerConfig",
    "load_config",
]
