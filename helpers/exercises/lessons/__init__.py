"""The files of the lessons, text and notebook: written, brought together again, and carried to a new version, without losing an answer.

Nothing is imported here: jupytext and nbformat, which these modules use, come with JupyterLab and may be missing beside the core.
"""
