"""Pictures of every kind."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from tracer.errors import InputError
from tracer.rcnn.pictures import load_picture, load_pictures, sample_photo

RED = torch.tensor([1.0, 0.0, 0.0])


def save(folder, picture, name="picture.png", **options):
    path = folder / name
    picture.save(path, **options)
    return path


# Pictures


def test_the_sample_photo_is_a_photograph():
    photo = load_picture(sample_photo())
    assert photo.shape == (3, 600, 512)
    assert photo.dtype == torch.float32
    assert 0 <= photo.min() < 0.1
    assert 0.9 < photo.max() <= 1


def test_rgb_is_read_exactly(tmp_path):
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3) * 10
    loaded = load_picture(save(tmp_path, Image.fromarray(pixels)))
    assert torch.equal(loaded, torch.from_numpy(pixels).permute(2, 0, 1) / 255)
    assert loaded.is_contiguous()


def test_one_channel_is_repeated(tmp_path):
    loaded = load_picture(save(tmp_path, Image.new("L", (3, 2), 51)))
    assert loaded.shape == (3, 2, 3)
    assert torch.allclose(loaded, torch.tensor(0.2))


def test_two_values_are_black_and_white(tmp_path):
    loaded = load_picture(save(tmp_path, Image.new("1", (3, 2), 1)))
    assert loaded.unique().tolist() == [1.0]


def test_transparency_is_laid_on_white(tmp_path):
    picture = Image.new("RGBA", (2, 1), (255, 0, 0, 255))
    picture.putpixel((1, 0), (0, 0, 0, 0))
    loaded = load_picture(save(tmp_path, picture))
    assert torch.equal(loaded[:, 0, 0], RED)
    assert torch.equal(loaded[:, 0, 1], torch.ones(3))


def test_grey_with_transparency_is_laid_on_white(tmp_path):
    loaded = load_picture(save(tmp_path, Image.new("LA", (2, 2), (0, 0))))
    assert loaded.unique().tolist() == [1.0]


def test_palette_colours_are_looked_up(tmp_path):
    picture = Image.new("P", (2, 1), 1)
    picture.putpalette([0, 0, 255, 255, 0, 0])
    assert torch.equal(load_picture(save(tmp_path, picture))[:, 0, 0], RED)


def test_a_transparent_palette_entry_is_laid_on_white(tmp_path):
    picture = Image.new("P", (2, 1), 1)
    picture.putpalette([0, 0, 255, 255, 0, 0])
    loaded = load_picture(save(tmp_path, picture, transparency=1))
    assert torch.equal(loaded[:, 0, 0], torch.ones(3))


@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
def test_sixteen_bits_keep_their_precision(tmp_path, name):
    values = np.array([[0, 257, 32768, 65535]], np.uint16)
    loaded = load_picture(save(tmp_path, Image.fromarray(values), name))
    expected = torch.from_numpy(values.astype(np.float32) / 65535)
    assert torch.equal(loaded, expected.expand(3, 1, 4))


def test_thirty_two_bits_count_as_sixteen_where_they_fit(tmp_path):
    loaded = load_picture(save(tmp_path, Image.fromarray(np.array([[65535]], np.int32)), "a.tif"))
    assert loaded.unique().tolist() == [1.0]


def test_floats_from_0_to_1_are_taken_as_they_are(tmp_path):
    loaded = load_picture(save(tmp_path, Image.fromarray(np.float32([[0.25]])), "a.tif"))
    assert loaded.unique().tolist() == [0.25]


@pytest.mark.parametrize("value", [-1.0, 2.0, float("nan"), float("inf")])
def test_floats_of_unknown_range_are_refused(tmp_path, value):
    path = save(tmp_path, Image.fromarray(np.float32([[0.5, value]])), "a.tif")
    with pytest.raises(InputError, match=r"0 to 1 is understood"):
        load_picture(path)


def test_integers_of_unknown_range_are_refused(tmp_path):
    path = save(tmp_path, Image.fromarray(np.array([[-5, 70000]], np.int32)), "a.tif")
    with pytest.raises(InputError, match=r"values from -5 to 70000, where 0 to 65535"):
        load_picture(path)


def test_cmyk_becomes_rgb(tmp_path):
    loaded = load_picture(save(tmp_path, Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "a.tif"))
    assert torch.equal(loaded[:, 0, 0], RED)


def test_a_kind_that_pillow_cannot_convert_is_one_sentence(tmp_path, monkeypatch):
    def refuse(self, mode):
        raise ValueError(f"conversion from {self.mode} to {mode} not supported")

    path = save(tmp_path, Image.new("LAB", (2, 2)), "a.tif")
    monkeypatch.setattr(Image.Image, "convert", refuse)
    with pytest.raises(InputError, match="pixels of kind 'LAB': save it as RGB"):
        load_picture(path)


def test_a_photograph_taken_sideways_stands_upright(tmp_path):
    picture = Image.new("RGB", (4, 2))
    picture.putpixel((0, 0), (255, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned clockwise by 90°
    loaded = load_picture(save(tmp_path, picture, exif=exif))
    assert loaded.shape == (3, 4, 2)
    assert torch.equal(loaded[:, 0, 1], RED)


def test_of_an_animation_the_first_picture_is_taken(tmp_path):
    first, second = (Image.new("RGB", (2, 2), colour) for colour in ("red", "blue"))
    path = save(tmp_path, first, "a.gif", save_all=True, append_images=[second])
    assert torch.equal(load_picture(path)[:, 0, 0], RED)


def test_one_pixel_is_a_picture(tmp_path):
    assert load_picture(save(tmp_path, Image.new("RGB", (1, 1), "red"))).shape == (3, 1, 1)


def test_a_large_but_legal_picture_is_read_without_a_warning(tmp_path, monkeypatch, recwarn):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    path = save(tmp_path, Image.new("RGB", (15, 10), "red"))
    assert load_picture(path).shape == (3, 10, 15)
    assert not [w for w in recwarn if issubclass(w.category, Image.DecompressionBombWarning)]


@pytest.mark.slow
def test_an_enormous_picture_is_refused_by_its_header(tmp_path):
    path = save(tmp_path, Image.new("1", (20_000, 10_000)))
    with pytest.raises(InputError, match="more than 178 megapixels: make it smaller"):
        load_picture(path)


def test_a_missing_picture_suggests_near_names(tmp_path):
    save(tmp_path, Image.new("RGB", (1, 1)), "street.png")
    with pytest.raises(InputError, match=r"no picture .*; did you mean 'street\.png'"):
        load_picture(tmp_path / "stret.png")
    with pytest.raises(InputError, match="no picture"):
        load_picture(tmp_path / "nowhere" / "street.png")


def test_a_folder_is_no_picture(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        load_picture(tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello, world", b"\x89PNG\r\n\x1a\n"])
def test_a_file_of_another_kind_is_one_sentence(tmp_path, content):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_picture(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.gif"])
def test_a_truncated_picture_is_one_sentence(tmp_path, name):
    noise = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
    path = save(tmp_path, Image.fromarray(noise), name)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"can(not)? be read"):
        load_picture(path)


def test_a_picture_without_permission_says_so(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(InputError, match="cannot be read: Permission denied"):
        load_picture(tmp_path / "a.png")


def test_several_pictures_keep_their_order_and_sizes(tmp_path):
    paths = [save(tmp_path, Image.new("RGB", (w, 2)), f"{w}.png") for w in (5, 3)]
    assert [tuple(p.shape) for p in load_pictures(paths)] == [(3, 2, 5), (3, 2, 3)]
