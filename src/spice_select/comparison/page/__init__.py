"""The page of a comparison: who was better than random and by how much, what each chose, and what it cost."""

from spice_select.comparison.page.stage import comparison_figures as comparison_figures
from spice_select.comparison.page.stage import write_budgets_page as write_budgets_page
from spice_select.comparison.page.stage import write_comparison_page as write_comparison_page
