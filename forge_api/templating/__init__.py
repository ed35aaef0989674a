"""Chat templates as programs of strangers: found in a model's files, run in a process of their own.

ChatTemplate (API process) ──Load, Render──▶ template process (jinja2, no files, little memory)
                           ◀──Loaded, Rendered, Failed──
"""
