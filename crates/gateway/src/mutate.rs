//! What every mutation that is a call of its own does with its request.

/// Gets the mutation of a request decided, of whichever kind: `mutate!(core, request, PlaceOrder)`.
macro_rules! mutate {
    ($core:expr, $request:expr, $kind:ident) => {{
        let (metadata, call, message) = $request.into_parts();
        let caller = $crate::access::Caller::of(&call);
        let unwrap = |response| match response {
            stockade_proto::v1::mutation_result::Response::$kind(response) => Some(response),
            _ => None,
        };
        let request = stockade_proto::v1::mutation::Request::$kind(message);
        $core.mutate(&caller, &metadata, request, unwrap).await
    }};
}
