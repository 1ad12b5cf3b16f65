"""The programs that the project runs, each in one pinned version (tools.yaml), found or built."""

from tools.install import ensure, find, share
from tools.table import ToolError, ToolMissing

__all__ = ["ToolError", "ToolMissing", "ensure", "find", "share"]
