"""The pages: `register` puts them at their addresses."""

from dalsegno.ui.pages._places import register

__all__ = ["register"]
