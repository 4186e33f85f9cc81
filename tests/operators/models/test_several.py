"""Models that take several rasters, against NumPy over whole arrays."""

from __future__ import annotations

import json
import pickle

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import geopatcher as gp
from geopatcher import Ensemble, Model, ModelInput
from geopatcher.cli import main
from geopatcher.core.packing import Member
from geopatcher.errors import OperatorError
from geopatcher.operators.models.describing import describe_model
from geopatcher.operators.models.record_json import record_from_json, record_to_json
from geotiffs import write_geotiff

RNG = np.random.default_rng(6)
S2 = RNG.integers(1, 5000, (3, 96, 128)).astype("uint16")
DEM = RNG.normal(400, 90, (1, 96, 128)).astype("float32")


def fusion(path, bands=2, *, size=("h", "w"), batch="n", notes=None, pooled=False, axes="nchw"):
    """Write a network that adds the mean of the bands of ``s2`` to ``dem``, which may be twice as fine."""
    dem_size = ("h", "w") if not pooled else ("hh", "ww")
    shape = [batch, bands, *size] if axes == "nchw" else [batch, *size, bands]
    ports = [
        helper.make_tensor_value_info("s2", TensorProto.FLOAT, shape),
        helper.make_tensor_value_info("dem", TensorProto.FLOAT, [batch, 1, *dem_size]),
    ]
    nodes = []
    if axes == "nhwc":
        nodes.append(helper.make_node("Transpose", ["s2"], ["planes"], perm=[0, 3, 1, 2]))
    nodes.append(
        helper.make_node("ReduceMean", ["s2" if axes == "nchw" else "planes"], ["mean"], axes=[1], keepdims=1)
    )
    if pooled:
        nodes.append(helper.make_node("AveragePool", ["dem"], ["dem1"], kernel_shape=[2, 2], strides=[2, 2]))
    nodes.append(helper.make_node("Add", ["mean", "dem1" if pooled else "dem"], ["sum"]))
    made = [helper.make_tensor_value_info("sum", TensorProto.FLOAT, [batch, 1, "oh", "ow"])]
    graph = helper.make_graph(nodes, "fusion", ports, made)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    for name, text in (notes or {}).items():
        model.metadata_props.add(key=name, value=text)
    onnx.save(model, path)
    return path


def expected(first=(0, 1), scale=1.0, dem=DEM):
    return S2[list(first)].astype("float32").mean(axis=0, keepdims=True) * scale + dem


def members(*, bands=2, names=()):
    return [
        Member("s2", bands, np.dtype("u2"), band_names=names),
        Member("dem", 1, np.dtype("f4")),
    ]


@pytest.mark.parametrize("how", [{}, {"batch_size": 5}, {"margin": 4}])
def test_an_onnx_model_takes_rasters_of_the_names_of_its_inputs(tmp_path, how):
    model = Model(fusion(tmp_path / "net.onnx"))
    result = gp.reconstruct({"dem": DEM, "s2": S2[:2]}, model, size=32, **how)
    np.testing.assert_allclose(result.array, expected(), rtol=1e-5)


def test_bands_and_scaling_are_those_of_each_input(tmp_path):
    inputs = [
        ModelInput.of("dem", mean=400, std=90),
        ModelInput.of("s2", bands=[3, 1], scale=1e-4),
    ]
    model = Model(fusion(tmp_path / "net.onnx"), inputs=inputs)
    assert [one.name for one in model.record.inputs] == ["s2", "dem"]
    result = gp.reconstruct({"s2": S2, "dem": DEM}, model, size=32)
    np.testing.assert_allclose(result.array, expected((2, 0), 1e-4, (DEM - 400) / 90), rtol=1e-4, atol=1e-5)
    again = pickle.loads(pickle.dumps(model))  # noqa: S301 - made here
    assert again.fingerprint() == model.fingerprint()
    assert Model(tmp_path / "net.onnx").fingerprint() != model.fingerprint()


def test_bands_by_name_from_files_and_the_command_line(tmp_path, monkeypatch):
    from click.testing import CliRunner

    monkeypatch.chdir(tmp_path)
    write_geotiff("s2.tif", S2)
    write_geotiff("dem.tif", DEM)
    import rasterio

    with rasterio.open("s2.tif", "r+") as dataset:
        dataset.descriptions = ("B02", "B04", "B08")
    record = {
        "mlm:input": [
            {"name": "s2", "bands": ["B08", "B04"], "value_scaling": [{"type": "scale", "value": 10}]},
            {"name": "dem", "input": {"shape": [-1, 1, -1, -1]}},
        ]
    }
    fusion("net.onnx")
    (tmp_path / "net.mlm.json").write_text(json.dumps(record))
    done = CliRunner().invoke(
        main, ["run", "s2=s2.tif", "dem=dem.tif", "out.tif", "--model", "net.onnx", "--size", "32"]
    )
    assert done.exit_code == 0, done.output
    with rasterio.open("out.tif") as dataset:
        np.testing.assert_allclose(dataset.read(), expected((2, 1), 0.1), rtol=1e-5)
    with pytest.raises(ValueError, match=r"net\.onnx: input s2: .* takes the bands? .*B08.* not there"):
        gp.reconstruct({"s2": "dem.tif", "dem": "dem.tif"}, Model("net.onnx"), size=32)


def test_a_native_raster_reaches_the_network_on_its_own_pixels(tmp_path):
    fine = RNG.random((1, 192, 256), "float32")
    fine[0, 10, 11] = np.nan
    model = Model(fusion(tmp_path / "net.onnx", pooled=True))
    result = gp.reconstruct({"s2": S2[:2], "dem": fine}, model, size=32, native="dem", margin=2)
    wanted = expected(dem=fine.reshape(1, 96, 2, 128, 2).mean((2, 4)))
    np.testing.assert_allclose(result.array, wanted, rtol=1e-5)
    assert np.isnan(result.array).sum() == 1


def test_bands_last_a_fixed_batch_and_gaps(tmp_path):
    model = Model(fusion(tmp_path / "net.onnx", axes="nhwc", size=(32, 32), batch=2))
    dem = DEM.copy()
    dem[:, 40:50, 60:90] = np.nan
    result = gp.reconstruct({"s2": S2[:2], "dem": dem}, model, size=32, step=20)
    np.testing.assert_allclose(result.array, expected(dem=dem), rtol=1e-5)


def test_it_is_called_by_hand(tmp_path):
    model = Model(fusion(tmp_path / "net.onnx"))
    made = model({"s2": S2[:2, :16, :16], "dem": DEM[:, :16, :16]})
    np.testing.assert_allclose(made, expected()[:, :16, :16], rtol=1e-5)
    with pytest.raises(ValueError, match="the model takes s2, dem, and is given s2"):
        model({"s2": S2[:2]})


def test_what_does_not_match_is_refused_before_the_first_pixel(tmp_path):
    path = fusion(tmp_path / "net.onnx", size=(32, 32))
    model = Model(path)

    def refused(sources, text, kind=ValueError, operator=model, **how):
        with pytest.raises(kind, match=text):
            gp.reconstruct(sources, operator, **({"size": 32} | how))

    refused({"s2": S2[:2], "height": DEM}, "takes the inputs s2, dem, and the rasters are s2, height")
    refused({"s2": S2, "dem": DEM}, r"net\.onnx: input s2: the model takes 2 band\(s\), and is given 3")
    refused({"s2": S2[:2], "dem": DEM}, "input s2 takes 32x32 pixels only, and a patch has 48x48", size=48)
    refused(S2[:2], "takes several rasters, s2, dem: give them by name, in a dict")
    refused({"s2": S2, "dem": DEM}, "the model takes 2 band", tta="flips")
    refused({"s2": S2, "dem": DEM}, "the model takes 2 band", operator=Ensemble([model, model]))
    with pytest.raises(ValueError, match="the record has the inputs s2, height, and the model has s2, dem"):
        Model(path, inputs=["s2", "height"]).bound_together(members(), (32, 32))

    class Mean:
        def predict(self, rows):
            return rows.mean(axis=1)

    refused(
        {"s2": S2, "dem": DEM}, "takes one raster, and is given s2, dem: .* BandStack", operator=Model(Mean())
    )
    two = Model(Mean(), inputs=["s2", "dem"])
    refused({"s2": S2, "dem": DEM}, "gives it one array", OperatorError, two)


def test_a_record_of_several_inputs_goes_through_json():
    inputs = (
        ModelInput.of("s2", bands=["B04", "B08"], scale=1e-4, clip=(0, 1)),
        ModelInput.of("dem", mean=400, std=[90]),
        ModelInput("s1", n_bands=2, size=(64, 64), dim_order=("batch", "height", "width", "channel")),
    )
    record = Model(_Two(), inputs=inputs, margin=8).record
    again = record_from_json(json.loads(json.dumps(record_to_json(record))))
    assert [(one.name, one.bands, one.steps, one.n_bands, one.size) for one in again.inputs] == [
        (one.name, one.bands, one.steps, one.n_bands or (len(one.bands) if one.bands else None), one.size)
        for one in inputs
    ]
    assert again.margin == 8


class _Two:
    def predict(self, rows):
        return rows


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ([{"name": "a"}, {"name": "a"}], "inputs a, a have one name twice"),
        ([{"name": "a"}, {"bands": []}], "an input of a model has the name ''"),
        ([{"name": "a"}, {"name": "b", "bandz": []}], r"no key 'bandz' in mlm:input\[1\]"),
        ([{"name": "a"}, {"name": "b", "resize_type": "crop"}], r"mlm:input\[1\].resize_type is 'crop'"),
        (
            [{"name": "a"}, {"name": "b", "bands": [1], "input": {"shape": [-1, 2, -1, -1]}}],
            "input b names 1 bands, and takes 2",
        ),
    ],
)
def test_records_that_cannot_be(inputs, text):
    with pytest.raises(ValueError, match=text):
        record_from_json({"mlm:input": inputs})


def test_bands_of_a_record_are_of_each_input():
    with pytest.raises(ValueError, match="bands and scaling are those of each input, a, b: say them there"):
        Model(_Two(), inputs=["a", "b"], bands=[1], record={}).record  # noqa: B018 - it is made when asked for


def test_it_is_described_with_its_inputs(tmp_path):
    path = fusion(tmp_path / "net.onnx")
    told = str(describe_model(Model(path, inputs=[ModelInput.of("dem", scale=2), "s2"]), path))
    assert "input s2   bands 2, as they come; scaling none" in told
    assert "input dem  bands 1, as they come; scaling scale (value 0.5)" in told
    assert "scaling of s2" in told.partition("not told")[2]


def test_several_outputs_of_several_rasters(tmp_path):
    model = Model(
        fusion(tmp_path / "net.onnx"), activation="sigmoid", inputs=[ModelInput.of("s2", scale=1e-3), "dem"]
    )
    dem = (DEM - 400) / 90
    result = gp.reconstruct({"s2": S2[:2], "dem": dem}, model, size=32, outputs=("sum", "raw"))
    wanted = S2[:2].astype("float32").mean(axis=0, keepdims=True) * 1e-3 + dem
    np.testing.assert_allclose(result.array, wanted[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(result.layers["raw"], wanted[0], rtol=1e-4, atol=1e-5)
