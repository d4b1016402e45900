"""Arrays of any library as struct align_tensor, borrowed for a call: NumPy by its array interface, the rest by DLPack."""
from __future__ import annotations

import ctypes
import struct
from typing import Any, Dict, NamedTuple, Tuple

import numpy as np

from . import _abi
from .errors import DtypeError, LayoutError, ShapeError

# What the functions take for a tensor: a NumPy array, anything with __dlpack__ (PyTorch, JAX, CuPy on the host), or
# nested lists of numbers.
Tensor = Any

# What lists of numbers become: reals are F64, indices I64, masks BOOL when all are bool, else F32.
REAL, INDEX, MASK = "real", "index", "mask"

DTYPES: Dict[Any, int] = {np.dtype(name): code for name, code in (
    ("f8", _abi.ALIGN_F64), ("f4", _abi.ALIGN_F32), ("f2", _abi.ALIGN_F16), ("i8", _abi.ALIGN_I64),
    ("i4", _abi.ALIGN_I32), ("u1", _abi.ALIGN_U8), ("?", _abi.ALIGN_BOOL))}
BYTES = {code: (code & 255) // 8 for code in _abi.ENUMS["ALIGN_I32"].values()}

# data, shape[3], stride[3], ndim, dtype of align_tensor.
pack = struct.Struct("@P6q2i").pack_into
ABSENT = bytes(ctypes.sizeof(_abi.align_tensor))


class View(NamedTuple):
    """A tensor as the library sees it; strides in elements."""
    address: int
    shape: Tuple[int, ...]
    stride: Tuple[int, ...]
    dtype: int
    owner: Any


class _ArrayInterface(ctypes.Structure):
    """PyArrayInterface of NumPy's array interface protocol, behind __array_struct__."""
    _fields_ = [("two", ctypes.c_int), ("nd", ctypes.c_int), ("typekind", ctypes.c_char), ("itemsize", ctypes.c_int),
                ("flags", ctypes.c_int), ("shape", ctypes.c_void_p), ("strides", ctypes.c_void_p),
                ("data", ctypes.c_void_p)]


_pointer_of = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi))
_interface_at = _ArrayInterface.from_address
_new = tuple.__new__  # makes a View in a third of the time that its own constructor takes


def dtype_code(dtype: Any, field: str) -> int:
    code = DTYPES.get(dtype)
    if code is None:
        if getattr(dtype, "name", "") != "bfloat16":
            raise DtypeError(f"{field}: dtype {dtype} is not known to libalign", field)
        code = DTYPES[dtype] = _abi.ALIGN_BF16
    return code


def of_array(array: np.ndarray, field: str) -> View:
    size, stride = array.itemsize, array.strides
    code = DTYPES.get(array.dtype) or dtype_code(array.dtype, field)
    capsule = array.__array_struct__  # held while its memory is read
    address = _interface_at(_pointer_of(capsule, None)).data
    if len(stride) == 2:
        first, second = stride
        if not first % size and not second % size:
            return _new(View, (address, array.shape, (first // size, second // size), code, array))
    if any(step % size for step in stride):
        raise LayoutError(f"{field}: strides {stride} are not whole elements of {size} bytes", field)
    return View(address, array.shape, tuple(step // size for step in stride), code, array)


# ---- DLPack ------------------------------------------------------------------------------------

class _DLTensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32),
                ("ndim", ctypes.c_int32), ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8),
                ("lanes", ctypes.c_uint16), ("shape", ctypes.POINTER(ctypes.c_int64)),
                ("strides", ctypes.POINTER(ctypes.c_int64)), ("byte_offset", ctypes.c_uint64)]


class _Versioned(ctypes.Structure):
    _fields_ = [("major", ctypes.c_uint32), ("minor", ctypes.c_uint32), ("context", ctypes.c_void_p),
                ("deleter", ctypes.c_void_p), ("flags", ctypes.c_uint64), ("tensor", _DLTensor)]


_has_name = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_IsValid", ctypes.pythonapi))
_HOST = {1: "CPU", 3: "pinned by CUDA", 11: "pinned by ROCm"}
_DEVICES = {2: "CUDA", 7: "Vulkan", 8: "Metal", 10: "ROCm", 13: "CUDA managed", 14: "oneAPI", 15: "WebGPU"}
_READ_ONLY = 1


def refuse_device(kind: int, number: int, field: str) -> None:
    if kind not in _HOST:
        raise LayoutError(f"{field} is on device {_DEVICES.get(kind, kind)}:{number}; libalign reads memory of the "
                          "host, so copy it there first", field)


def of_dlpack(x: Any, field: str, write: bool) -> View:
    """The capsule is held and never renamed, so its own destructor gives the tensor back."""
    if hasattr(x, "__dlpack_device__"):
        refuse_device(*map(int, x.__dlpack_device__()), field)
    try:
        try:
            capsule = x.__dlpack__(max_version=(1, 1))
        except TypeError:
            capsule = x.__dlpack__()
    except (BufferError, RuntimeError, ValueError) as error:
        raise LayoutError(f"{field}: {type(x).__name__} does not lend its memory: {error}", field) from error
    if _has_name(capsule, b"dltensor_versioned"):
        versioned = _Versioned.from_address(_pointer_of(capsule, b"dltensor_versioned"))
        if versioned.major != 1:
            raise LayoutError(f"{field}: DLPack {versioned.major} is not known to libalign", field)
        if write and versioned.flags & _READ_ONLY:
            raise LayoutError(f"{field} is read-only and would be written", field)
        tensor = versioned.tensor
    else:
        tensor = _DLTensor.from_address(_pointer_of(capsule, b"dltensor"))
    refuse_device(tensor.device_type, tensor.device_id, field)
    code = tensor.code << 8 | tensor.bits
    if code not in BYTES or tensor.lanes != 1:
        raise DtypeError(f"{field}: DLPack dtype {tensor.code}:{tensor.bits}x{tensor.lanes} is not known to libalign",
                         field)
    shape = tuple(tensor.shape[:tensor.ndim])
    if tensor.strides:
        stride = tuple(tensor.strides[:tensor.ndim])
    else:
        stride = tuple(int(np.prod(shape[i + 1:])) for i in range(tensor.ndim))
    return View((tensor.data or 0) + tensor.byte_offset, shape, stride, code, capsule)


# ---- both --------------------------------------------------------------------------------------

def listed(x: Any, kind: str, field: str) -> np.ndarray:
    """A list of numbers as an array."""
    try:
        array = np.asarray(x)
        if kind == REAL:
            return array.astype(np.float64)
        if kind == INDEX:
            return array.astype(np.int64, casting="safe")
        return array if array.dtype == bool else array.astype(np.float32)
    except (TypeError, ValueError) as error:
        raise DtypeError(f"{field}: {type(x).__name__} is no tensor of numbers: {error}", field) from error


def view(x: Tensor, field: str, kind: str = REAL, write: bool = False) -> View:
    """What the library is to see of x; hold the result while it does."""
    if isinstance(x, np.ndarray):
        if write and not x.flags.writeable:
            raise LayoutError(f"{field} is read-only and would be written", field)
        return of_array(x, field)
    if hasattr(x, "__dlpack__"):
        if write and type(x).__module__.partition(".")[0] in ("jax", "jaxlib"):  # lends without saying read-only
            raise LayoutError(f"{field} is an array of JAX, which never changes, and would be written", field)
        return of_dlpack(x, field, write)
    if write:
        raise DtypeError(f"{field}: {type(x).__name__} is no tensor to write to", field)
    if hasattr(x, "__array__"):
        return of_array(np.asarray(x), field)
    return of_array(listed(x, kind, field), field)


class _Lent:
    """Memory as NumPy's array interface lends it."""

    def __init__(self, seen: View) -> None:
        size = BYTES[seen.dtype]
        kind = next(dtype for dtype, code in DTYPES.items() if code == seen.dtype)
        self.seen = seen
        self.__array_interface__ = {"version": 3, "data": (seen.address, True), "shape": seen.shape,
                                    "strides": tuple(step * size for step in seen.stride), "typestr": kind.str}


def read(seen: View) -> np.ndarray:
    """A view as an array that can be read but not written."""
    return np.asarray(_Lent(seen))


def put(where: Any, offset: int, seen: View, field: str) -> None:
    """Writes a view into the align_tensor at an offset of a struct."""
    shape, stride = seen.shape, seen.stride
    if len(shape) == 2:
        pack(where, offset, seen.address, shape[0], shape[1], 0, stride[0], stride[1], 0, 2, seen.dtype)
    elif 1 <= len(shape) <= 3:
        none = (0,) * (3 - len(shape))
        pack(where, offset, seen.address, *shape, *none, *stride, *none, len(shape), seen.dtype)
    else:
        raise ShapeError(f"{field} has {len(shape)} dimensions, expected 1 to 3", field)
