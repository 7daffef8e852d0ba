"""`spice recipes`: the settings that ship, to start from."""


def show_recipes() -> None:
    """List the recipes: settings to start from, each with what it is for.

    `spice select CORPUS --config NAME` takes its settings from one; flags beside it override them. `spice select
    --config NAME --help` shows its values as the defaults. To change more, copy the file, of the path that is named
    here, and give `--config` the copy.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from spice_select.cli.tables.plain import plain_text
    from spice_select.recipes import FOLDER, recipes

    console, table = Console(), Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("recipe", no_wrap=True)
    table.add_column("what it is for")
    for recipe in recipes():
        table.add_row(recipe.name, plain_text(recipe.purpose))
    console.print(table, highlight=False)
    console.print("Use one by its name: spice select CORPUS --config NAME", highlight=False, soft_wrap=True)
    console.print(f"[dim]the files, to copy: {plain_text(str(FOLDER))}[/]", highlight=False, soft_wrap=True)
