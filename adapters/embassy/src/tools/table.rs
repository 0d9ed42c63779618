//! Several tools as one table.

use portcullis_core::{
    encoding::scratch::{BufferFull, Scratch},
    mcp::server::{CallOutcome, Tool, Tools},
    resource_server::Principal,
};

use super::Callable;

/// The tools of a server: a tuple of [`AsyncTool`](super::AsyncTool)s.
#[derive(Clone, Copy, Debug)]
pub struct ToolTable<T>(pub T);

impl<T: Toolbox> Tools for ToolTable<T> {
    fn tool(&self, index: usize) -> Option<Tool<'_>> {
        self.0.tool(index)
    }
}

/// Tools that can be called by number: a tuple of [`AsyncTool`](super::AsyncTool)s.
pub trait Toolbox {
    /// What is told about the tool with this number.
    fn tool(&self, index: usize) -> Option<Tool<'_>>;

    /// Calls the tool with this number.
    async fn call<'s>(
        &self,
        index: usize,
        principal: &Principal<'_>,
        arguments: &'s str,
        scratch: &mut Scratch<'s>,
    ) -> Result<CallOutcome<'s>, BufferFull>;
}

macro_rules! toolbox {
    ($($name:ident $index:tt),+) => {
        impl<$($name: Callable),+> Toolbox for ($($name,)+) {
            fn tool(&self, index: usize) -> Option<Tool<'_>> {
                match index {
                    $($index => Some(self.$index.tool()),)+
                    _ => None,
                }
            }

            async fn call<'s>(
                &self,
                index: usize,
                principal: &Principal<'_>,
                arguments: &'s str,
                scratch: &mut Scratch<'s>,
            ) -> Result<CallOutcome<'s>, BufferFull> {
                match index {
                    $($index => self.$index.call(principal, arguments, scratch).await,)+
                    _ => Err(BufferFull),
                }
            }
        }
    };
}

toolbox!(A 0);
toolbox!(A 0, B 1);
toolbox!(A 0, B 1, C 2);
toolbox!(A 0, B 1, C 2, D 3);
toolbox!(A 0, B 1, C 2, D 3, E 4);
toolbox!(A 0, B 1, C 2, D 3, E 4, F 5);
toolbox!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
toolbox!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
