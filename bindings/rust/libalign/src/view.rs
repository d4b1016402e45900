use std::marker::PhantomData;

use libalign_sys as sys;

use crate::{Element, Error, Result, Status};

/// A borrowed tensor that calls read: numbers of any [`Element`] type, 1 to 3 dimensions, any strides.
///
/// Made from slices, arrays, vectors and arrays of arrays by `From`, so that calls take `&score` as it is; from a flat
/// slice and a shape; or, with the feature `ndarray`, from any array of it.
///
/// ```
/// use libalign::View;
///
/// let flat = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
/// let pairs = View::shaped(&flat, [3, 2])?;
/// let chosen_first = View::strided(&flat, 0, [3, 2], [1, 3])?; // all chosen, then all rejected
/// assert_eq!(pairs.shape(), chosen_first.shape());
/// assert!(View::shaped(&flat, [4, 2]).is_err());
/// # Ok::<(), libalign::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub(crate) raw: sys::align_tensor,
    life: PhantomData<&'a [u8]>,
}

/// A mutably borrowed tensor that calls write. Made as [`View`]s are, from `&mut`.
///
/// While it is alive nobody else sees its elements, so outputs that share memory with inputs do not compile; calls
/// that may work in place take one `ViewMut` for both.
///
/// ```compile_fail
/// # use libalign::{Exec, Loss, Params};
/// let mut score = [[1.0, 2.0]];
/// Loss::new(&Params::new("slic").unwrap()).score(&score).dscore(&mut score).eval(&mut Exec::new());
/// ```
pub struct ViewMut<'a> {
    pub(crate) raw: sys::align_tensor,
    life: PhantomData<&'a mut [u8]>,
}

// They are slices of plain numbers with strides: what holds for &[f64] and &mut [f64] holds for them.
unsafe impl Send for View<'_> {}
unsafe impl Sync for View<'_> {}
unsafe impl Send for ViewMut<'_> {}
unsafe impl Sync for ViewMut<'_> {}

fn tensor<const N: usize>(
    data: *const u8,
    dtype: sys::align_dtype,
    shape: [usize; N],
    stride: [isize; N],
) -> sys::align_tensor {
    let mut raw = sys::align_tensor { data: data as *mut _, ndim: N as i32, dtype, ..Default::default() };
    for axis in 0..N {
        raw.shape[axis] = shape[axis] as i64;
        raw.stride[axis] = stride[axis] as i64;
    }
    raw
}

fn contiguous<const N: usize>(shape: [usize; N]) -> [isize; N] {
    let mut stride = [1; N];
    for axis in (1..N).rev() {
        stride[axis - 1] = stride[axis] * shape[axis] as isize;
    }
    stride
}

fn wrong(text: String) -> Error {
    Error::new(Status::Shape, "libalign::View", text)
}

/// Whether every element of such a view lies inside `len` elements.
fn check<const N: usize>(len: usize, offset: usize, shape: [usize; N], stride: [isize; N]) -> Result<()> {
    if !(1..=3).contains(&N) {
        return Err(wrong(format!("{N} dimensions, expected 1 to 3")));
    }
    if shape.contains(&0) {
        return Ok(());
    }
    let (mut least, mut most) = (offset as i128, offset as i128);
    for axis in 0..N {
        let reach = (shape[axis] as i128 - 1) * stride[axis] as i128;
        least += reach.min(0);
        most += reach.max(0);
    }
    if least < 0 || most >= len as i128 {
        return Err(wrong(format!("elements {least}..={most} of a slice of {len}")));
    }
    Ok(())
}

fn check_shaped<const N: usize>(len: usize, shape: [usize; N]) -> Result<()> {
    let elements = shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
    if elements != Some(len) {
        return Err(wrong(format!("shape {shape:?} of a slice of {len} elements")));
    }
    check(len, 0, shape, contiguous(shape))
}

/// Where the element `offset` of a slice is, or its start for a view without elements.
fn at<T>(data: *const T, len: usize, offset: usize) -> *const u8 {
    data.wrapping_add(offset.min(len)).cast()
}

impl<'a> View<'a> {
    /// # Safety
    /// The elements must be readable for `'a`, and no one may write them.
    pub(crate) unsafe fn from_raw<T: Element, const N: usize>(
        data: *const T,
        shape: [usize; N],
        stride: [isize; N],
    ) -> Self {
        View { raw: tensor(data.cast(), T::DTYPE, shape, stride), life: PhantomData }
    }

    /// No tensor.
    pub(crate) fn absent() -> Self {
        View { raw: sys::align_tensor::default(), life: PhantomData }
    }

    /// All elements of a slice in C order. [`Status::Shape`] when there are more or fewer.
    pub fn shaped<T: Element, const N: usize>(data: &'a [T], shape: [usize; N]) -> Result<Self> {
        check_shaped(data.len(), shape)?;
        Ok(unsafe { Self::from_raw(data.as_ptr(), shape, contiguous(shape)) })
    }

    /// Element `(i, j, k)` is `data[offset + i * stride[0] + j * stride[1] + k * stride[2]]`; strides may be 0 or
    /// negative. [`Status::Shape`] when one is outside the slice.
    pub fn strided<T: Element, const N: usize>(
        data: &'a [T],
        offset: usize,
        shape: [usize; N],
        stride: [isize; N],
    ) -> Result<Self> {
        check(data.len(), offset, shape, stride)?;
        let first = at(data.as_ptr(), data.len(), offset);
        Ok(unsafe { Self::from_raw(first.cast::<T>(), shape, stride) })
    }

    /// Sizes along each axis.
    pub fn shape(&self) -> &[i64] {
        &self.raw.shape[..self.raw.ndim as usize]
    }
}

impl<'a> ViewMut<'a> {
    /// # Safety
    /// The elements must belong to the view alone for `'a`.
    pub(crate) unsafe fn from_raw<T: Element, const N: usize>(
        data: *mut T,
        shape: [usize; N],
        stride: [isize; N],
    ) -> Self {
        ViewMut { raw: tensor(data as *const u8, T::DTYPE, shape, stride), life: PhantomData }
    }

    /// As [`View::shaped`].
    pub fn shaped<T: Element, const N: usize>(data: &'a mut [T], shape: [usize; N]) -> Result<Self> {
        check_shaped(data.len(), shape)?;
        Ok(unsafe { Self::from_raw(data.as_mut_ptr(), shape, contiguous(shape)) })
    }

    /// As [`View::strided`]. A call refuses an output whose elements are not all different.
    pub fn strided<T: Element, const N: usize>(
        data: &'a mut [T],
        offset: usize,
        shape: [usize; N],
        stride: [isize; N],
    ) -> Result<Self> {
        check(data.len(), offset, shape, stride)?;
        let first = data.as_mut_ptr().wrapping_add(offset.min(data.len()));
        Ok(unsafe { Self::from_raw(first, shape, stride) })
    }

    /// Sizes along each axis.
    pub fn shape(&self) -> &[i64] {
        &self.raw.shape[..self.raw.ndim as usize]
    }

    /// The same elements, lent on for reading.
    pub fn as_view(&self) -> View<'_> {
        View { raw: self.raw, life: PhantomData }
    }

    /// The same elements, lent on for writing.
    pub fn reborrow(&mut self) -> ViewMut<'_> {
        ViewMut { raw: self.raw, life: PhantomData }
    }
}

impl<'a> From<ViewMut<'a>> for View<'a> {
    fn from(view: ViewMut<'a>) -> Self {
        View { raw: view.raw, life: PhantomData }
    }
}

/// Conversions from what holds elements in C order.
macro_rules! from_slices {
    ($([$($generics:tt)*] $from:ty, $data:ident => $shape:expr;)*) => {
        $(
            impl<'a, T: Element, $($generics)*> From<&'a $from> for View<'a> {
                fn from($data: &'a $from) -> Self {
                    let shape = $shape;
                    unsafe { Self::from_raw($data.as_ptr().cast::<T>(), shape, contiguous(shape)) }
                }
            }

            impl<'a, T: Element, $($generics)*> From<&'a mut $from> for ViewMut<'a> {
                fn from($data: &'a mut $from) -> Self {
                    let shape = $shape;
                    unsafe { Self::from_raw($data.as_mut_ptr().cast::<T>(), shape, contiguous(shape)) }
                }
            }
        )*
    };
}

from_slices! {
    [] [T], data => [data.len()];
    [] Vec<T>, data => [data.len()];
    [const N: usize] [T; N], data => [N];
    [const K: usize] [[T; K]], data => [data.len(), K];
    [const K: usize] Vec<[T; K]>, data => [data.len(), K];
    [const K: usize, const N: usize] [[T; K]; N], data => [N, K];
}
