"""How decks are made from the lessons: `make slides`. README.md in this folder says how to show one."""
