"""`python -m tests.golden`: write down what the exporter says now. Look at the difference before a commit."""

from tests.golden.making import FOLDER, SUFFIXES, made, names, path_of

everything = {name: made(name) for name in names()}  # all of it, before the old is thrown away
for form in SUFFIXES:
    for path in FOLDER.glob(f"*{SUFFIXES[form]}"):
        path.unlink()
for name, bodies in everything.items():
    for form, body in bodies.items():
        path_of(name, form).write_text(body, "utf-8")
