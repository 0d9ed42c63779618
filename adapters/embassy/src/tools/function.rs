//! An async function and what is told about it.

use core::marker::PhantomData;

use portcullis_core::{
    encoding::{
        json::deserialize,
        scratch::{BufferFull, Scratch},
    },
    limits,
    mcp::server::{CallOutcome, Tool},
    resource_server::Principal,
};
use serde::{Deserialize, de::DeserializeOwned};

use super::{ToolError, ToolResult};

/// The arguments of a tool that takes none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoArguments {}

/// A tool and the function that is it.
#[derive(Clone, Copy)]
pub struct AsyncTool<'c, F, A> {
    tool: Tool<'c>,
    function: F,
    arguments: PhantomData<fn() -> A>,
}

/// Makes an async function a tool.
///
/// The arguments are bound by serde, from text that the strict reader accepts; values that do not
/// fit are told to the caller, and the function does not run (TS-77).
pub const fn tool<F, A, R>(tool: Tool<'_>, function: F) -> AsyncTool<'_, F, A>
where
    F: AsyncFn(&Principal<'_>, A) -> Result<R, ToolError>,
    A: DeserializeOwned,
    R: ToolResult,
{
    AsyncTool { tool, function, arguments: PhantomData }
}

impl<F, A> core::fmt::Debug for AsyncTool<'_, F, A> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("AsyncTool").field("tool", &self.tool).finish_non_exhaustive()
    }
}

/// Something that can be called: an [`AsyncTool`].
pub trait Callable {
    /// What is told about it.
    fn tool(&self) -> Tool<'_>;

    /// Calls it.
    async fn call<'s>(
        &self,
        principal: &Principal<'_>,
        arguments: &'s str,
        scratch: &mut Scratch<'s>,
    ) -> Result<CallOutcome<'s>, BufferFull>;
}

/// What the caller is told whose arguments do not fit.
const ARGUMENTS_DO_NOT_FIT: &str = "the arguments do not fit the tool's input schema";

impl<F, A, R> Callable for AsyncTool<'_, F, A>
where
    F: AsyncFn(&Principal<'_>, A) -> Result<R, ToolError>,
    A: DeserializeOwned,
    R: ToolResult,
{
    fn tool(&self) -> Tool<'_> {
        self.tool
    }

    async fn call<'s>(
        &self,
        principal: &Principal<'_>,
        arguments: &'s str,
        scratch: &mut Scratch<'s>,
    ) -> Result<CallOutcome<'s>, BufferFull> {
        let depth_max = limits::BODY_DEPTH_MAX;
        let Ok(arguments) = deserialize::from_slice(arguments.as_bytes(), depth_max, scratch)
        else {
            return Ok(CallOutcome::Failed(ARGUMENTS_DO_NOT_FIT));
        };
        match (self.function)(principal, arguments).await {
            Ok(result) => result.write(scratch),
            Err(error) => Ok(CallOutcome::Failed(error.0)),
        }
    }
}
