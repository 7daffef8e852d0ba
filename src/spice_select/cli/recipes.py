"""`spice recipes`: the settings that ship, to start from."""


def show_recipes() -> None:
    """List the recipes: files of settings that `spice select --config NAME` takes.

    Print one with `spice select --config NAME --help`, which shows its values as the defaults; copy it from the path
    that is named here.
    """
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from spice_select.recipes import FOLDER, recipes

    console, table = Console(), Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("recipe", "what it is for"):
        table.add_column(column)
    for recipe in recipes():
        table.add_row(recipe.name, escape(recipe.purpose))
    console.print(table, highlight=False)
    console.print(f"[dim]{escape(str(FOLDER))}[/]", highlight=False, soft_wrap=True)
