from __future__ import annotations

from aibom.inspectors.pickle_nodes import Call, Dict, Global, How, Node, PersistentId, SetOf, Unknown
from aibom.inspectors.pytorch_dtypes import dtype_named, dtype_of, storage_dtype
from aibom.inspectors.pytorch_names import Naming, foreign_class
from aibom.inspectors.torch_tensors import is_tensor_call, read_tensor, storage_of
from aibom.inspectors.torch_views import TorchTensor, View


def call(path: str, *args: Node, state: tuple[Node, ...] = (), pairs: tuple[Node, ...] = ()) -> Call:
    module, _, name = path.rpartition(".")
    return Call(Global(module, name, 0), args, None, How.CALL, 0, state=[*state], pairs=[*pairs])


def stored(elements: int = 4, kind: str = "FloatStorage", key: Node = "0", *rest: Node) -> PersistentId:
    return PersistentId(("storage", Global("torch", kind, 0), key, "cpu", elements, *rest), 0)


HOOKS = call("collections.OrderedDict")


def tensor(shape: Node = (4,), stride: Node = (1,), offset: Node = 0, storage: Node = None) -> Call:
    storage = stored() if storage is None else storage
    return call("torch._utils._rebuild_tensor_v2", storage, offset, shape, stride, False, HOOKS)


def names(root: Node, most: int = 1000) -> list[str]:
    return [item.name for item in naming(most).tensors(root)]


def naming(most: int = 1000) -> Naming[TorchTensor]:
    return Naming(is_tensor_call, read_tensor, most)


def view(node: Node) -> View:
    found = read_tensor(node)
    assert found is not None
    return found.views[0]


def test_names_join_keys_and_positions() -> None:
    """Dicts give keys, lists positions; a bare tensor has a name too."""
    root = Dict(["a", [tensor(), Dict([3, tensor()])], "b", (1, tensor())])
    assert ["a.0", "a.1.3", "b.1"] == names(root)
    assert ["tensor"] == names(tensor())


def test_keys_that_come_twice_have_the_last_value() -> None:
    """A dict has one value under a key, the last one, at the place of the first."""
    root = Dict(["a", tensor(), "b", tensor(), "a", 5])
    assert ["b"] == names(root)
    assert ["1", "True"] == names(Dict([1, tensor(), True, tensor()]))


def test_positions_count_what_was_left_out() -> None:
    """Constants that are not in the graph have positions."""
    assert ["7"] == names([Unknown("constants", 0, 7), tensor()])


def test_shared_objects_have_all_their_names() -> None:
    """What is reached twice is named twice."""
    shared = tensor()
    inner = Dict(["w", shared])
    assert ["a.w", "b.w", "c"] == names(Dict(["a", inner, "b", inner, "c", shared]))


def test_objects_that_hold_themselves_have_an_end() -> None:
    """A cycle gives each tensor the names that do not go around."""
    loop: list[Node] = [tensor()]
    loop.append(loop)
    assert ["0"] == names(loop)


def test_lists_that_hold_one_another_twice_do_not_explode() -> None:
    """Sixty levels that double are gone through once where they hold no tensor, and to the limit where they do."""
    bare: list[Node] = []
    full: list[Node] = [tensor()]
    for _ in range(60):
        bare, full = [bare, bare], [full, full]
    assert [] == names(bare)
    walk = naming(50)
    assert 50 == len(list(walk.tensors(full)))
    assert not walk.complete


def test_depth_has_an_end() -> None:
    """Ten thousand levels raise nothing; the tensors below are not named, and that is said."""
    deep: list[Node] = [tensor()]
    for _ in range(10_000):
        deep = [deep]
    walk = naming()
    assert [] == list(walk.tensors(deep))
    assert not walk.complete


def test_modules_are_named_as_their_state_dict() -> None:
    """Parameters, then buffers that are kept, then submodules."""
    inner = call(
        "torch.nn.modules.linear.Linear",
        state=(
            Dict(["_parameters", Dict(["weight", tensor(), "bias", None]), "_buffers", Dict(), "_modules", Dict()]),
        ),
    )
    outer = call(
        "mine.Net",
        state=(
            Dict([
                "training", True,
                "_parameters", call("collections.OrderedDict", pairs=("scale", tensor())),
                "_buffers", Dict(["mask", tensor(), "kept", tensor()]),
                "_non_persistent_buffers_set", SetOf(["mask"]),
                "_modules", Dict(["fc", inner]),
            ]),
        ),
    )  # fmt: skip
    found = list(naming().tensors(outer))
    assert ["scale", "kept", "fc.weight"] == [item.name for item in found]
    assert {"mine.Net"} == {item.through for item in found}
    assert {""} == {item.through for item in naming().tensors(inner)}


def test_objects_are_named_by_what_they_hold() -> None:
    """State, slots, items and arguments of any class are gone through."""
    assert ["w"] == names(call("x.Y", state=(Dict(["w", tensor()]),)))
    assert ["w"] == names(call("x.Y", state=((None, Dict(["w", tensor()])),)))
    assert ["state"] == names(call("x.Y", state=(tensor(),)))
    assert ["0"] == names(call("x.Y", tensor()))
    assert ["a"] == names(call("collections.OrderedDict", [["a", tensor()], 5]))
    assert ["0"] == names(SetOf([tensor()]))


def test_classes_of_legacy_modules_stand_in_persistent_ids() -> None:
    """The class that a legacy file names beside its source counts as that class."""
    made = Call(PersistentId(("module", Global("net", "Net", 0), "net.py", "source"), 0), (), None, How.NEW, 0)
    assert foreign_class(made) == "net.Net"
    assert foreign_class(Call(Unknown("?", 0), (), None, How.CALL, 0)) == "an object of unknown class"
    assert foreign_class(Dict()) == ""


def test_tensors_whose_elements_may_change_are_not_exact() -> None:
    """State that is set on a tensor, or attributes that replace its data, make it unknown."""
    plain = tensor()
    assert read_tensor(plain) is not None
    changed = tensor()
    changed.state = [Dict(["data", tensor()])]
    assert read_tensor(changed) is None
    keeps = call("torch._utils._rebuild_parameter_with_state", plain, True, HOOKS, Dict(["group", 1]))
    swaps = call("torch._utils._rebuild_parameter_with_state", plain, True, HOOKS, Dict(["data", tensor()]))
    slots = call("torch._utils._rebuild_parameter_with_state", plain, True, HOOKS, (None, Dict(["imag", 1])))
    assert read_tensor(keeps) is not None
    assert read_tensor(swaps) is None
    assert read_tensor(slots) is None
    maker = Global("torch._utils", "_rebuild_tensor_v2", 0)
    own = call("torch._tensor._rebuild_from_type_v2", maker, Global("mine", "Tensor", 0), plain.args, Dict())
    assert read_tensor(own) is None


def test_arguments_that_are_not_exact_give_no_tensor() -> None:
    """Every argument of a rebuild function has one form."""
    for odd in (
        tensor(shape=(4, -1), stride=(1, 1)),
        tensor(shape=(1 << 70,)),
        tensor(shape=(1 << 40, 1 << 40), stride=(0, 0)),
        tensor(shape=(2, 2)),
        tensor(shape="4"),
        tensor(shape=(1,) * 65, stride=(1,) * 65),
        tensor(offset=True),
        tensor(offset=1 << 63),
        tensor(storage=stored(kind="SecretStorage")),
        tensor(storage=stored(-1)),
        tensor(storage=stored(4, "FloatStorage", True)),
        tensor(storage=stored(4, "FloatStorage", "0", 5)),
        tensor(storage=stored(4, "FloatStorage", "0", ("v", -1, 2))),
        tensor(storage=PersistentId("0", 0)),
        call("torch._utils._rebuild_tensor_v3", stored(16, "UntypedStorage"), 0, (4,), (1,), False, HOOKS,
             Global("torch", "float99", 0)),
        call("torch._utils._rebuild_tensor_v2", stored(), 0, (4,), (1,), False, HOOKS, Dict(["other", True])),
        call("torch._utils._rebuild_tensor_v2", stored(), 0, (4,), (1,), False, HOOKS, Dict([5, True])),
        call("torch._utils._rebuild_tensor_v2", stored(), 0, (4,), (1,), False, HOOKS, "conj"),
        call("torch._utils._rebuild_new_invention", stored()),
        call("torch._utils._rebuild_sparse_tensor", 5, ()),
        call("torch._utils._rebuild_sparse_tensor", Global("torch", "sparse_coo", 0), (tensor(shape="x"), (2,))),
        call("torch._utils._rebuild_sparse_tensor", Global("torch", "sparse_coo", 0), ((2,),)),
        call("torch._utils._rebuild_nested_tensor", tensor(shape="x")),
        call("torch._utils._rebuild_meta_tensor_no_storage", Global("torch", "float99", 0), (2,)),
        call("torch._utils._rebuild_qtensor", 5, 0, (4,), (1,)),
    ):  # fmt: skip
        assert is_tensor_call(odd)
        assert read_tensor(odd) is None
    assert read_tensor(5) is None


def test_marks_of_lazy_operations_are_read() -> None:
    """Conjugate and negative views say so, in a dict or an OrderedDict."""
    marks = call("collections.OrderedDict", pairs=("conj", True, "neg", False))
    found = view(call("torch._utils._rebuild_tensor_v2", stored(), 0, (4,), (1,), False, HOOKS, marks))
    assert (True, False) == (found.conjugate, found.negative)


def test_views_of_legacy_storages_have_a_start() -> None:
    """Old files may name a part of a storage."""
    storage = storage_of(stored(10, "FloatStorage", "0", ("v", 2, 4)))
    assert storage is not None
    assert (40, 8, 16) == (storage.whole, storage.start, storage.length)
    assert view(tensor(storage=stored(10, "FloatStorage", "0", ("v", 2, 4)))).fits
    assert not view(tensor(storage=stored(10, "FloatStorage", "0", ("v", 8, 4)))).fits


def test_contiguity_is_that_of_torch() -> None:
    """Strides of dimensions of one element do not count; empty tensors are contiguous."""
    assert view(tensor((2, 1, 2), (2, 99, 1))).contiguous
    assert not view(tensor((2, 2), (1, 2))).contiguous
    assert view(tensor((0, 2), (7, 7))).contiguous
    assert (3, 3) == view(tensor((0,), (1,), 3)).reach
    assert 2 == view(tensor((2, 5), (1, 0))).distinct


def test_types_have_safetensors_names() -> None:
    """Storage classes and dtypes are known by module and name."""
    assert storage_dtype(Global("os", "FloatStorage", 0)) is None
    assert storage_dtype("FloatStorage") is None
    assert dtype_of(Global("numpy", "float32", 0)) is None
    half = dtype_named("half")
    assert half is not None
    assert ("F16", 2) == (half.name, half.size)
    packed = storage_dtype(Global("torch", "QUInt4x2Storage", 0))
    assert packed is not None
    assert 3 == packed.bytes_of(5)


def test_parameters_within_parameters_have_an_end() -> None:
    """A thousand parameters within each other raise nothing and are not read."""
    deep = tensor()
    for _ in range(5000):
        deep = call("torch._utils._rebuild_parameter", deep, True, HOOKS)
    assert read_tensor(deep) is None
    assert read_tensor(call("torch._utils._rebuild_parameter", tensor(), True, HOOKS)) is not None
