"""Figures with alt text and captions, in one style. Every drawing function returns a `Picture`, which a notebook cell displays."""

from helpers.plots.bar_chart import bars, dots
from helpers.plots.contour_plot import contours
from helpers.plots.histogram_plot import histograms
from helpers.plots.images import image_grid
from helpers.plots.line_chart import curves
from helpers.plots.lineage_plot import lineages
from helpers.plots.manifold import latent_manifold, manifold_grid
from helpers.plots.mosaic_plot import mosaic
from helpers.plots.piano_roll_plot import piano_roll
from helpers.plots.picture import Picture
from helpers.plots.plates import PlateModel, plate_diagram
from helpers.plots.scatter import scatter_by_class
from helpers.plots.style import workbook_style
from helpers.plots.tsne import tsne_embed, tsne_map

__all__ = [
    "Picture", "PlateModel", "bars", "contours", "curves", "dots", "histograms", "image_grid", "latent_manifold", "lineages",
    "manifold_grid", "mosaic", "piano_roll", "plate_diagram", "scatter_by_class", "tsne_embed", "tsne_map", "workbook_style",
]  # fmt: skip
