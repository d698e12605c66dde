"""The documentation site: Markdown with what is made when it is built (pictures, the gallery, the reference), and its builder.

`python -m scripts.documentation` builds `build/site`.
"""
