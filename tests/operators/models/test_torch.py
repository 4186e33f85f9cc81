"""Networks of PyTorch, against the same convolutions in SciPy."""

from __future__ import annotations

import itertools
import pickle
import zipfile

import numpy as np
import pytest

import geopatcher as gp
from geopatcher import Model
from geopatcher.errors import OperatorError
from geopatcher.operators.models.wrap import as_operator
from networks import ConvNet, softmax

torch = pytest.importorskip("torch", reason="torch is hundreds of megabytes, and not in the test group")

NET = ConvNet.random()
PATCH = np.random.default_rng(1).normal(size=(3, 12, 16)).astype("float32")


class Twofold(torch.nn.Module):
    """Returns two parts, as a tuple or by name."""

    def __init__(self, inner, *, named):
        super().__init__()
        self.inner, self.named = inner, named

    def forward(self, given):
        made = self.inner(given)
        return {"scores": made, "negative": -made} if self.named else (made, -made)


def module():
    first, bias, second = map(torch.tensor, (NET.first, NET.bias, NET.second))
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Dropout(0.5),
        torch.nn.Conv2d(4, 3, 3, padding=1, bias=False),
    )
    net.load_state_dict({"0.weight": first, "0.bias": bias, "3.weight": second})
    return net


def check(model):
    np.testing.assert_allclose(model(PATCH), NET.scores(PATCH), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
@pytest.mark.parametrize("kind", ["module", "script"])
def test_weights_of_another_precision_are_given_their_own(dtype, kind, tmp_path):
    net = module().to(getattr(torch, dtype))
    if kind == "script":
        torch.jit.script(net.eval()).save(tmp_path / "net.pt")
    model = Model(net if kind == "module" else tmp_path / "net.pt", device="cpu")
    scores = NET.scores(PATCH)
    found = model(PATCH)
    assert found.dtype == np.float32
    close = {"float16": 1e-2, "bfloat16": 5e-2, "float64": 1e-5}[dtype]
    np.testing.assert_allclose(found, scores, rtol=close, atol=close * np.abs(scores).max())


def test_a_module_is_run_as_after_training():
    net = module()
    model = Model(net, device="cpu")
    check(model)
    assert model(PATCH).dtype == np.float32
    assert all(weight.grad is None for weight in net.parameters())
    check(as_operator(net))
    activated = Model(net, activation="softmax", device="cpu")
    np.testing.assert_allclose(activated(PATCH), softmax(NET.scores(PATCH)), atol=1e-3)


def test_a_module_travels_by_its_own_pickle_and_is_known_by_its_weights():
    net = module()
    model = Model(net, device="cpu")
    who = model.fingerprint()
    model(PATCH)
    assert model.fingerprint() == who
    copy = pickle.loads(pickle.dumps(model))  # noqa: S301 - our own bytes
    check(copy)
    assert copy.fingerprint() == who == Model(module(), device="cpu").fingerprint()
    with torch.no_grad():
        net[0].bias += 1
    assert model.fingerprint() != who


def test_torchscript_is_run_from_a_file_and_as_an_object(tmp_path):
    scripted = torch.jit.script(module().eval())
    path = tmp_path / "net.pt"
    torch.jit.save(scripted, path)
    check(Model(path, device="cpu"))
    model = Model(scripted, device="cpu")
    check(model)
    copy = pickle.loads(pickle.dumps(model))  # noqa: S301 - our own bytes
    check(copy)
    assert copy.fingerprint() == model.fingerprint()
    other = Model(torch.jit.script(torch.nn.Sequential(module(), torch.nn.ReLU())), device="cpu")
    assert other.fingerprint() != model.fingerprint()


def test_an_exported_program_is_run(tmp_path):
    path = tmp_path / "net.pt2"
    shape = {0: torch.export.Dim("n", min=1, max=8)}
    given = torch.zeros(2, 3, 12, 16)
    torch.export.save(torch.export.export(module().eval(), (given,), dynamic_shapes=(shape,)), path)
    model = Model(path, device="cpu")
    check(model)
    assert model.fixed_batch is None
    check(Model(torch.export.load(path).module(), device="cpu"))
    torch.export.save(torch.export.export(module().eval(), (given,)), path)
    assert Model(path, device="cpu").fixed_batch == 2
    check(Model(path, device="cpu"))


def test_a_pickled_checkpoint_is_refused(tmp_path):
    path = tmp_path / "net.pt"
    torch.save(module().state_dict(), path)
    with pytest.raises(
        OperatorError, match="net.pt is a pickled checkpoint, and opening one runs whatever code"
    ):
        Model(path)
    with zipfile.ZipFile(tmp_path / "odd.ts", "w") as archive:
        archive.writestr("odd/code/nothing", "")
    with pytest.raises(OperatorError, match="odd.ts is no TorchScript"):
        Model(tmp_path / "odd.ts")(PATCH)
    (tmp_path / "odd.pt2").write_bytes(b"nothing")
    with pytest.raises(OperatorError, match="odd.pt2 is no program of torch.export"):
        Model(tmp_path / "odd.pt2")(PATCH)


def test_a_part_that_is_not_taken_may_have_any_shape():
    class WithScore(torch.nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, given):
            made = self.inner(given)
            return {"scores": made, "mean": made.mean(dim=(1, 2, 3))[:, None, None, None, None]}

    check(Model(WithScore(module()), parts="scores", device="cpu"))


@pytest.mark.parametrize("named", [True, False])
def test_parts_are_chosen(named):
    net = Twofold(module(), named=named)
    part = "negative" if named else 1
    np.testing.assert_allclose(Model(net, parts=part, device="cpu")(PATCH), -NET.scores(PATCH), atol=1e-3)
    with pytest.raises(ValueError, match="returns 2 parts"):
        Model(net, device="cpu")(PATCH)


@pytest.mark.parametrize("named", [True, False])
def test_parts_are_outputs_of_one_run(named):
    image = np.random.default_rng(2).normal(size=(3, 64, 48)).astype("float32")
    model = Model(Twofold(module(), named=named), parts=0, activation="softmax", device="cpu")
    part = "negative" if named else "part1"
    result = gp.reconstruct(image, model, size=32, outputs=("class", part, "raw"))
    np.testing.assert_array_equal(result.layers[part], -result.layers["raw"])
    chances = gp.reconstruct(image, model, size=32).array
    assert (result.array == chances.argmax(axis=0)).mean() > 0.999
    with pytest.raises(
        ValueError, match="returns no part 'height', but .*; outputs are parts of it, and class"
    ):
        gp.reconstruct(image, model, size=32, outputs=("height",))


def test_half_precision_is_near_and_widened():
    made = Model(module(), precision="bf16", device="cpu")(PATCH)
    assert made.dtype == np.float32
    wanted = NET.scores(PATCH)
    assert 0 < np.abs(made - wanted).max() < 0.05 * np.abs(wanted).max()


def test_other_results_are_refused():
    class Odd(torch.nn.Module):
        def forward(self, given):
            return "text"

    with pytest.raises(OperatorError, match="the network returned str"):
        Model(Odd(), device="cpu")(PATCH)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="torch finds no such device"):
        Model(module(), device="cuda")(PATCH)


def test_a_run_with_two_workers_is_the_same(tmp_path):
    image = np.random.default_rng(2).normal(size=(3, 64, 48)).astype("float32")
    torch.set_num_threads(1)
    model = Model(module(), device="cpu")
    one = gp.reconstruct(image, model, tmp_path / "one.zarr", size=16).array[:]
    two = gp.reconstruct(image, model, tmp_path / "two.zarr", size=16, workers=2).array[:]
    np.testing.assert_allclose(one, two, atol=1e-5)


class Fusion(torch.nn.Module):
    """Takes two tensors."""

    def forward(self, s2, dem):
        return s2.mean(dim=1, keepdim=True) + 2 * dem


@pytest.mark.parametrize("how", [{}, {"batch_size": 3}])
def test_a_module_is_called_with_a_tensor_for_each_raster(how):
    rng = np.random.default_rng(3)
    s2, dem = rng.random((3, 40, 50), "float32"), rng.random((1, 40, 50), "float32")
    inputs = [gp.ModelInput.of("s2", scale=10), gp.ModelInput.of("dem")]
    model = Model(Fusion(), inputs=inputs, device="cpu")
    result = gp.reconstruct({"dem": dem, "s2": s2}, model, size=16, **how)
    np.testing.assert_allclose(result.array, 10 * s2.mean(axis=0, keepdims=True) + 2 * dem, rtol=1e-4)


class Difference(torch.nn.Module):
    """Takes its tensors by other names than the alphabet would have it."""

    def forward(self, s2, dem):
        return s2[:, :1] - dem


class OfDict(torch.nn.Module):
    def forward(self, given: dict[str, torch.Tensor]):
        return given["s2"][:, :1] - given["dem"]


class OfAny(torch.nn.Module):
    def forward(self, *given):
        return given[0][:, :1] - given[1]


RASTERS = {
    "s2": np.random.default_rng(4).random((2, 40, 50), "float32"),
    "dem": np.random.default_rng(5).random((1, 40, 50), "float32"),
}


@pytest.mark.parametrize(
    ("net", "form"),
    [
        *itertools.product([Difference, OfDict, OfAny], ["module", "script", "program"]),
        (Difference, "program by name"),
    ],
)
def test_tensors_are_handed_by_name_or_in_a_dict_or_in_order(tmp_path, net, form):
    by_name = net is Difference and form in ("module", "script", "program by name")
    inputs = ["dem", "s2"] if by_name or net is OfDict else ["s2", "dem"]
    tensors = {name: torch.zeros(1, len(RASTERS[name]), 16, 16) for name in ["s2", "dem"]}
    model, path = net().eval(), tmp_path / "net.pt2"
    if form == "script":
        given = tuple(tensors.values())
        model = torch.jit.trace(model, given) if net is OfAny else torch.jit.script(model)
    elif form == "program by name":
        torch.export.save(torch.export.export(model, (), tensors), path)
        model = path
    elif form == "program":
        given = (tensors,) if net is OfDict else tuple(tensors.values())
        torch.export.save(torch.export.export(model, given), path)
        model = path
    result = gp.reconstruct(RASTERS, Model(model, inputs=inputs, device="cpu"), size=16, step=8)
    np.testing.assert_allclose(result.array, RASTERS["s2"][:1] - RASTERS["dem"], atol=1e-6)
