"""The town's settings: flag, else environment, else ``aerial.toml``, else default."""

from aerial.settings.load import load_settings
from aerial.settings.secret import secret_of
from aerial.settings.town import SCHEMA, Settings
from aerial.settings.write import write_settings

__all__ = ["SCHEMA", "Settings", "load_settings", "secret_of", "write_settings"]
