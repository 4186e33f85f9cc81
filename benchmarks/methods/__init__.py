"""One method a module, each with ``run(scene, out, **options)``: see `benchmarks.catalog.METHODS`.

``run`` reads the scene and either writes ``out`` and returns None, or returns the result as an array. It is
called once, in a process of its own. What a module imports at its top counts as start-up: whole-process
seconds contain it, inner seconds do not.
"""
