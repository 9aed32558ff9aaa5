"""Where regions lie and what they measure: against rasterio, nibabel and plain counting."""

import csv
import json
import re

import numpy as np
import pytest

import howsure
from howsure.answers.positions.places import geometry_of, view_of
from howsure.report import render
from tests import rasters, volumes
from tests.answers.maps import certainty_of
from tests.answers.test_positions_page import picture
from tests.commands import run
from tests.pixels import GIVEN, MODEL, folder_of, images
from tests.report.made import Page
from tests.report.test_report import table_rows

SURE, FLIP, OTHER = [0.9, 0.06, 0.04], [0.45, 0.4, 0.15], [0.2, 0.42, 0.38]


def result_of(flips, **given):
    """A result of rows (N, *P) with coin flips between the first two classes, or where 2 the last two."""
    p = np.array([SURE, FLIP, OTHER], np.float32)[flips]
    return certainty_of(p, **given)


def two_images():
    """One with a ring, a bar and a dot of coin flips, and one with none."""
    flips = np.zeros((2, 12, 10), int)
    flips[0, 1:6, 2:7] = 1
    flips[0, 3, 4] = 0
    flips[0, 8:10, 1:9] = 2
    flips[0, 11, 9] = 1
    return result_of(flips)


def lines_in(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def area_of(rings):
    """By the shoelace formula, holes taken off."""
    areas = []
    for ring in rings:
        x, y = np.array(ring)[:, :2].T
        areas.append(abs(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])) / 2)
    return areas[0] - sum(areas[1:])


# --- files of regions -------------------------------------------------------------------------------------


def test_a_table_of_regions_has_their_places_and_classes(tmp_path):
    result = two_images()
    result.save_regions(tmp_path / "regions.csv")
    lines = lines_in(tmp_path / "regions.csv")
    assert [line["size"] for line in lines] == ["24", "16", "1"]
    for line, region in zip(lines, result.regions(0), strict=True):
        (top, bottom), (left, right) = region.bounds
        ends = [int(line[name]) for name in ("y_first", "y_last", "x_first", "x_last")]
        assert ends == [top, bottom - 1, left, right - 1]
        assert (line["label"], line["runner_up"]) == (region.label_name, region.runner_up_name)
        assert (line["row"], line["x"], line["measure"], line["unit"]) == ("0", "", "", "")
    result[1:].save_regions(tmp_path / "none.csv")
    assert (tmp_path / "none.csv").read_text().startswith("row,region,size,label,runner_up,y_first,x_first,")


def test_outlines_enclose_the_pixels_of_a_region(tmp_path):
    two_images().save_regions(tmp_path / "regions.geojson")
    found = json.loads((tmp_path / "regions.geojson").read_text(encoding="utf-8"))
    assert found["type"] == "FeatureCollection"
    assert [each["properties"]["size"] for each in found["features"]] == [24, 16, 1]
    rings = [each["geometry"]["coordinates"] for each in found["features"]]
    assert [area_of(each) for each in rings] == [24, 16, 1]
    assert [len(each) for each in rings] == [2, 1, 1]  # the ring has a hole
    assert np.array(rings[1][0]).min(axis=0).tolist() == [1, 8]
    assert np.array(rings[1][0]).max(axis=0).tolist() == [9, 10]


def test_regions_of_satellite_images_have_coordinates_and_square_metres(tmp_path):
    place = rasters.rasterio.transform.Affine(20, 0, 500_000, 0, -30, 5_300_000)
    rasters.save(
        tmp_path / "images" / "a.tif", np.zeros((12, 10, 4), np.uint8), crs="EPSG:32633", transform=place
    )
    result = two_images()[:1].with_ids(["a.tif"], "file")
    result.save_regions(tmp_path / "regions.csv", geometry=tmp_path / "images")
    result.save_regions(tmp_path / "regions.geojson", geometry=str(tmp_path / "images" / "a.tif"))
    lines = lines_in(tmp_path / "regions.csv")
    assert [(float(line["measure"]), line["unit"]) for line in lines] == [
        (24 * 600, "m²"),
        (9_600, "m²"),
        (600, "m²"),
    ]
    assert (float(lines[1]["x"]), float(lines[1]["y"])) == (500_000 + 20 * 5, 5_300_000 - 30 * 9)
    assert lines[0]["file"] == "a.tif"
    outline = json.loads((tmp_path / "regions.geojson").read_text())["features"][2]["geometry"][
        "coordinates"
    ][0]
    corners = {(500_000 + 20 * x, 5_300_000 - 30 * y) for x in (9, 10) for y in (11, 12)}
    wanted = rasters.rasterio.warp.transform("EPSG:32633", "EPSG:4326", *zip(*corners, strict=True))
    found = {tuple(np.round(each, 9)) for each in outline}
    assert found == {tuple(np.round(each, 9)) for each in zip(*wanted, strict=True)}


def test_regions_of_volumes_have_millilitres_and_places_in_the_scanner(tmp_path):
    flips = np.zeros((1, *volumes.SIDES), int)
    flips[0, 1:4, 2:4, 1:3] = 1
    affine = np.array([[0, 0, 2.5, -10], [-2, 0, 0, 20], [0, 4, 0, 7], [0, 0, 0, 1.0]])
    volumes.save(tmp_path / "scans" / "a.nii.gz", flips[0].astype(np.uint8), affine)
    result = result_of(flips, ids=["a.nii.gz"])
    result.save_regions(tmp_path / "regions.csv", geometry=tmp_path / "scans")
    (line,) = lines_in(tmp_path / "regions.csv")
    assert (line["size"], line["unit"]) == ("12", "ml")
    assert float(line["measure"]) == pytest.approx(12 * 2.5 * 2 * 4 / 1000)
    corners = np.argwhere(flips[0])
    middle = volumes.nibabel.affines.apply_affine(affine, (corners.min(axis=0) + corners.max(axis=0)) / 2)
    assert [float(line[name]) for name in "xyz"] == pytest.approx(middle)
    with pytest.raises(howsure.InputError, match="two axes of positions"):
        result.save_regions(tmp_path / "regions.geojson")
    with pytest.raises(howsure.InputError, match="wrong ending"):
        result.save_regions(tmp_path / "regions.txt")


@pytest.mark.parametrize("wrong", [(1.0, 2.0), (1.0, 2.0, 0.0), 3.0, "nowhere.nii"])
def test_a_geometry_that_does_not_fit_is_refused(wrong, tmp_path):
    result = result_of(np.ones((1, *volumes.SIDES), int))
    for call in (result.save_regions, result.report):
        with pytest.raises(howsure.InputError, match="`geometry` does not"):
            call(tmp_path / ("a.csv" if call == result.save_regions else "a.html"), geometry=wrong)


def test_the_command_line_writes_regions(tmp_path):
    folder_of(tmp_path / "images", images(4))
    out = tmp_path / "t.parquet"
    path = tmp_path / "regions.csv"
    ran = run("assess", MODEL, tmp_path / "images", "--out", out, *GIVEN, "--passes", 20, "--regions", path)
    assert ran.exit_code == 0, ran.stderr
    result = howsure.load(out)
    result.save_regions(tmp_path / "same.csv")
    assert path.read_text() == (tmp_path / "same.csv").read_text()
    count = sum(len(result.regions(at)) for at in range(4))
    assert f"{count:,} of coin flips" in re.sub(r"\s+", " ", ran.stdout)
    ran = run(
        "assess",
        MODEL,
        tmp_path / "images",
        "--out",
        tmp_path / "parts",
        *GIVEN,
        "--passes",
        20,
        "--regions",
        tmp_path / "all.csv",
    )
    assert ran.exit_code == 0, ran.stderr
    assert lines_in(tmp_path / "all.csv")[0].keys() == lines_in(path)[0].keys()
    ran = run("assess", MODEL, tmp_path / "images", "--out", out, *GIVEN, "--regions", tmp_path / "r.txt")
    assert ran.exit_code == 2
    assert "ends in .csv or .geojson" in re.sub(r"\s+", " ", ran.stderr)


# --- how volumes are drawn ----------------------------------------------------------------------------------


def scanned(code, spacing=(1.0, 1.0, 1.0)):
    """A volume that lies along RAS, turned to lie as a code says, and its affine matrix."""
    ras = np.random.default_rng(0).integers(0, 2, (6, 5, 4)).astype(np.uint8)
    image = volumes.nibabel.Nifti1Image(ras, np.diag([*spacing, 1.0]))
    turn = volumes.nibabel.orientations.ornt_transform(
        volumes.nibabel.orientations.axcodes2ornt("RAS"), volumes.nibabel.orientations.axcodes2ornt(code)
    )
    turned = image.as_reoriented(turn)
    return ras, np.asarray(turned.dataobj), turned.affine


@pytest.mark.parametrize("code", ["RAS", "LPS", "PIR", "SAL", "ASR", "IRP"])
@pytest.mark.parametrize(
    ("spacing", "plane", "wanted"),
    [
        ((1.0, 1.0, 1.0), "axial", lambda ras, k: ras[::-1, ::-1, k].T),
        ((1.0, 1.0, 3.0), "axial", lambda ras, k: ras[::-1, ::-1, k].T),
        ((1.0, 3.0, 1.5), "coronal", lambda ras, k: ras[::-1, k, ::-1].T),
        ((3.0, 1.0, 1.5), "sagittal", lambda ras, k: ras[k, ::-1, ::-1].T),
    ],
)
def test_a_volume_is_drawn_upright_however_it_lies(code, spacing, plane, wanted, tmp_path):
    ras, array, affine = scanned(code, spacing)
    volumes.save(tmp_path / "a.nii", array, affine)
    result = result_of(array[None].astype(int))
    geometry = geometry_of(result, tmp_path / "a.nii")
    view = view_of(np.asarray(result.entropy[0]), geometry)
    axis = {"sagittal": 0, "coronal": 1, "axial": 2}[plane]
    best = int(np.argmax(np.moveaxis(ras, axis, 0).reshape(ras.shape[axis], -1).sum(axis=1)))
    assert view.said.startswith(f"{plane} slice ")
    np.testing.assert_array_equal(view.of(array), wanted(ras, best))
    sides = np.array(spacing)[{"axial": [1, 0], "coronal": [2, 0], "sagittal": [2, 1]}[plane]]
    assert view.sides == pytest.approx(tuple(sides))


def test_the_page_draws_volumes_as_they_lie_and_measures_them(tmp_path):
    ras, array, affine = scanned("LPS", (0.5, 0.5, 3.0))
    volumes.save(tmp_path / "a.nii", array, affine)
    result = result_of(array[None].astype(int))
    page = render(result, array[None].astype(float), geometry=tmp_path / "a.nii")
    best = int(np.argmax(ras.sum(axis=(0, 1))))
    shown = picture(page, "image 0<")[..., 0]
    np.testing.assert_array_equal(shown > 127, ras[::-1, ::-1, best].T > 0)
    assert f"axial slice {best} of 0 to 3 is shown" in Page(page).words
    assert "--wide: 3.0; --high: 2.5" in page
    size = result.regions(0)[0].size
    measured = table_rows(page, "Regions of image 0")[0][1]
    assert measured.split() == [f"{size:,}", f"{size * 0.75 / 1000:#.3g}", "ml"]
    share = float(result.share[0, 0]) * array.size * 0.75 / 1000
    assert table_rows(page, "Classes of image 0")[0][1].split()[-2:] == [f"{share:#.3g}", "ml"]
    given = render(result, array[None].astype(float), geometry=(0.5, 0.5, 3.0))
    assert "slice" in Page(given).words
    assert "along axis 0" in Page(given).words
    assert "\u00a0ml" in given
    assert "\u00a0ml" not in render(result)


def test_a_header_that_does_not_say_how_it_lies_names_no_plane(tmp_path):
    image = volumes.nibabel.Nifti1Image(np.ones(volumes.SIDES, np.uint8), None)
    image.header.set_zooms((2, 3, 4))
    volumes.nibabel.save(image, tmp_path / "a.nii")
    geometry = geometry_of(result_of(np.ones((1, *volumes.SIDES), int)), tmp_path / "a.nii")
    assert geometry.sides == pytest.approx((2, 3, 4))
    assert not geometry.lies
    assert geometry.affine is None


def test_maps_of_another_size_than_their_image_have_no_geometry(tmp_path):
    volumes.save(tmp_path / "a.nii", np.ones((12, 10, 8), np.uint8))
    assert geometry_of(result_of(np.ones((1, *volumes.SIDES), int)), tmp_path / "a.nii").sides is None
