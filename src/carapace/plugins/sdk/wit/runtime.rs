//! Made by `cara plugin build` from the plugin's manifest. Do not edit.
//!
//! Memory is there until the exported function has returned, and nothing is given back before;
//! what must last belongs into the gateway's key-value store, not into a `static`.
#![allow(dead_code, clippy::all)]

use std::alloc::{GlobalAlloc, Layout};
use std::mem::MaybeUninit;

extern "C" {
    fn carapace_alloc(bytes: usize, alignment: usize) -> *mut u8;
    fn carapace_rust_json_text(object: *const Str, key: *const Str, value: *mut Str) -> bool;
    fn carapace_rust_json_quote(text: *const Str, quoted: *mut Str);
}

struct CallMemory;

unsafe impl GlobalAlloc for CallMemory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        carapace_alloc(layout.size(), layout.align())
    }
    unsafe fn dealloc(&self, _at: *mut u8, _layout: Layout) {}
}

#[global_allocator]
static MEMORY: CallMemory = CallMemory;

/// Text of the contract: UTF-8 bytes with a length.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Str {
    bytes: *const u8,
    length: u32,
}

impl Str {
    /// It lives as long as the call.
    pub fn text(self) -> &'static str {
        if self.length == 0 {
            return "";
        }
        unsafe {
            let bytes = std::slice::from_raw_parts(self.bytes, self.length as usize);
            std::str::from_utf8_unchecked(bytes)
        }
    }
}

impl From<&str> for Str {
    fn from(text: &str) -> Self {
        Self { bytes: text.as_ptr(), length: text.len() as u32 }
    }
}

impl From<String> for Str {
    fn from(text: String) -> Self {
        let made = Self::from(text.as_str());
        std::mem::forget(text);
        made
    }
}

/// Text as a JSON string, with its quotes.
pub fn json_quote(text: &str) -> &'static str {
    let mut quoted = MaybeUninit::<Str>::uninit();
    unsafe {
        carapace_rust_json_quote(&Str::from(text), quoted.as_mut_ptr());
        quoted.assume_init().text()
    }
}

/// The text of a member of a JSON object; nothing if there is none or it is no text.
pub fn json_text(object: &str, key: &str) -> Option<&'static str> {
    let mut value = MaybeUninit::<Str>::uninit();
    unsafe {
        let found =
            carapace_rust_json_text(&Str::from(object), &Str::from(key), value.as_mut_ptr());
        found.then(|| value.assume_init().text())
    }
}

#[derive(Clone, Copy)]
#[repr(C)]
pub struct List<T: Copy> {
    items: *const T,
    count: u32,
}

impl<T: Copy> List<T> {
    pub fn items(&self) -> &[T] {
        if self.count == 0 {
            return &[];
        }
        unsafe { std::slice::from_raw_parts(self.items, self.count as usize) }
    }
}

impl<T: Copy> From<Vec<T>> for List<T> {
    fn from(items: Vec<T>) -> Self {
        let made = Self { items: items.as_ptr(), count: items.len() as u32 };
        std::mem::forget(items);
        made
    }
}

#[derive(Clone, Copy)]
#[repr(C)]
pub struct Opt<T: Copy> {
    is_some: bool,
    value: MaybeUninit<T>,
}

impl<T: Copy> From<Option<T>> for Opt<T> {
    fn from(found: Option<T>) -> Self {
        match found {
            Some(value) => Self { is_some: true, value: MaybeUninit::new(value) },
            None => Self { is_some: false, value: MaybeUninit::uninit() },
        }
    }
}

impl<T: Copy> From<Opt<T>> for Option<T> {
    fn from(found: Opt<T>) -> Self {
        if found.is_some {
            Some(unsafe { found.value.assume_init() })
        } else {
            None
        }
    }
}

#[derive(Clone, Copy)]
#[repr(C)]
union Either<T: Copy, E: Copy> {
    ok: T,
    error: E,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub struct Res<T: Copy, E: Copy> {
    is_error: bool,
    value: Either<T, E>,
}

impl<T: Copy, E: Copy> From<Result<T, E>> for Res<T, E> {
    fn from(done: Result<T, E>) -> Self {
        match done {
            Ok(ok) => Self { is_error: false, value: Either { ok } },
            Err(error) => Self { is_error: true, value: Either { error } },
        }
    }
}

impl<T: Copy, E: Copy> From<Res<T, E>> for Result<T, E> {
    fn from(done: Res<T, E>) -> Self {
        unsafe {
            if done.is_error {
                Err(done.value.error)
            } else {
                Ok(done.value.ok)
            }
        }
    }
}

#[derive(Clone, Copy)]
#[repr(C)]
pub struct Tuple2<A: Copy, B: Copy> {
    pub f0: A,
    pub f1: B,
}

/// A failure of the plugin's own.
#[macro_export]
macro_rules! failure {
    ($code:expr, $message:expr) => {
        $crate::types::Error {
            code: $crate::Str::from($code),
            message: $crate::Str::from($message),
            retryable: false,
            retry_after_ms: None.into(),
        }
    };
}

