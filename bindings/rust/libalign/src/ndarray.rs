//! Arrays of `ndarray` as views: any strides, also reversed ones.

use ndarray::{ArrayBase, Data, DataMut, Ix1, Ix2, Ix3};

use crate::{Element, View, ViewMut};

macro_rules! dimensions {
    ($($dimension:ident $n:literal)*) => {
        $(
            impl<'a, T: Element, S: Data<Elem = T>> From<&'a ArrayBase<S, $dimension>> for View<'a> {
                fn from(array: &'a ArrayBase<S, $dimension>) -> Self {
                    let (shape, strides) = lengths::<$n>(array.shape(), array.strides());
                    unsafe { View::from_raw(array.as_ptr(), shape, strides) }
                }
            }

            impl<'a, T: Element, S: DataMut<Elem = T>> From<&'a mut ArrayBase<S, $dimension>> for ViewMut<'a> {
                fn from(array: &'a mut ArrayBase<S, $dimension>) -> Self {
                    let (shape, strides) = lengths::<$n>(array.shape(), array.strides());
                    unsafe { ViewMut::from_raw(array.as_mut_ptr(), shape, strides) }
                }
            }
        )*
    };
}

fn lengths<const N: usize>(shape: &[usize], strides: &[isize]) -> ([usize; N], [isize; N]) {
    let (mut sizes, mut steps) = ([0; N], [0; N]);
    sizes.copy_from_slice(shape);
    steps.copy_from_slice(strides);
    (sizes, steps)
}

dimensions! { Ix1 1 Ix2 2 Ix3 3 }
