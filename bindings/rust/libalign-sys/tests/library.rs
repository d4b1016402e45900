//! The library that is linked is the one that the bindings describe. (Sizes and offsets against the headers are
//! asserted by bindgen's own tests in src/bindings.rs.)

use libalign_sys::*;
use std::ffi::CStr;
use std::mem::size_of;

/// Each init function takes the struct's size and writes it: the library knows structs of this size.
macro_rules! knows {
    ($($type:ident $init:ident)*) => {
        $(
            let mut value = $type::default();
            unsafe { $init(&mut value, size_of::<$type>()) };
            assert_eq!(value.size, size_of::<$type>(), stringify!($type));
        )*
    };
}

#[test]
fn structs_are_known() {
    knows! {
        align_error align_error_init
        align_exec align_exec_init
        align_tokens align_tokens_init
        align_head align_head_init
        align_loss_args align_loss_args_init
        align_loss_labels align_loss_labels_init
        align_step_args align_step_args_init
        align_bt_rows align_bt_rows_init
        align_bt_args align_bt_args_init
        align_reward_args align_reward_args_init
        align_reward_query align_reward_query_init
        align_norm_args align_norm_args_init
        align_norm_ring align_norm_ring_init
        align_norm_groups_args align_norm_groups_args_init
        align_popart_args align_popart_args_init
        align_advantage_args align_advantage_args_init
        align_dense_source align_dense_source_init
        align_dense_args align_dense_args_init
        align_kl_controller align_kl_controller_init
        align_lagrange align_lagrange_init
        align_pipeline align_pipeline_init
        align_pipeline_args align_pipeline_args_init
        align_renorm_args align_renorm_args_init
    }
    let tensor = unsafe { align_2d(std::ptr::null(), ALIGN_F32 as align_dtype, 3, 2) };
    assert_eq!((tensor.shape[0], tensor.shape[1], tensor.stride[0], tensor.ndim), (3, 2, 2, 2));
}

#[test]
fn a_longer_struct_is_refused_where_it_says_more() {
    #[repr(C)]
    struct Longer {
        exec: align_exec,
        of_a_later_version: u64,
    }
    let mut error = align_error { size: size_of::<align_error>(), ..Default::default() };
    let mut longer = Longer { exec: align_exec::default(), of_a_later_version: 1 };
    unsafe { align_exec_init(&mut longer.exec, size_of::<align_exec>()) };
    longer.exec.size = size_of::<Longer>();
    longer.exec.error = &mut error;
    let args = align_loss_args::default();
    assert_eq!(unsafe { align_loss_eval(&longer.exec, &args) }, ALIGN_E_VERSION);
}

/// The offsets that the library reports for parameters are those of the bindings.
#[test]
fn offsets_are_those_of_the_library() {
    let params = align_loss_params::default();
    let base = &params as *const align_loss_params as usize;
    let offsets = [
        ("length", &params.length as *const _ as usize - base),
        ("beta", &params.beta as *const _ as usize - base),
        ("label_smoothing", &params.label_smoothing as *const _ as usize - base),
        ("lambda", &params.lambda as *const _ as usize - base),
        ("divergence", &params.divergence as *const _ as usize - base),
        ("kl_coef", &params.kl_coef as *const _ as usize - base),
        ("temperature", &params.temperature as *const _ as usize - base),
        ("seed", &params.seed as *const _ as usize - base),
        ("rescale", &params.rescale as *const _ as usize - base),
    ];
    let mut compared = 0;
    for loss in 1..=unsafe { align_loss_count() } {
        let mut info = align_loss_info { size: size_of::<align_loss_info>(), ..Default::default() };
        assert_eq!(unsafe { align_loss_get_info(loss, &mut info) }, ALIGN_E_NONE);
        for i in 0..info.n_params {
            let mut param = align_param_info { size: size_of::<align_param_info>(), ..Default::default() };
            assert_eq!(unsafe { align_loss_get_param(loss, i, &mut param) }, ALIGN_E_NONE);
            let name = unsafe { CStr::from_ptr(param.name) }.to_str().unwrap();
            for (field, offset) in offsets {
                if field == name {
                    assert_eq!(param.offset, offset, "{name}");
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 100, "{compared}");
}

#[test]
fn versions_agree() {
    let header = ALIGN_VERSION_MAJOR << 16 | ALIGN_VERSION_MINOR << 8 | ALIGN_VERSION_PATCH;
    assert!(unsafe { align_version() } >= header);
    assert_eq!(unsafe { align_abi() }, ALIGN_ABI);
    let name = unsafe { CStr::from_ptr(align_status_name(ALIGN_E_RANGE)) };
    assert_eq!(name.to_str(), Ok("RANGE"));
}
