//! What every mutation that is a call of its own does with its request.

/// Gets the mutation of a request decided, of whichever kind: `mutate!(core, request, PlaceOrder)`.
macro_rules! mutate {
    ($core:expr, $request:expr, $kind:ident) => {{
        let (metadata, _, message) = $request.into_parts();
        let unwrap = |response| match response {
            stockade_proto::v1::mutation_result::Response::$kind(response) => Some(response),
            _ => None,
        };
        let request = stockade_proto::v1::mutation::Request::$kind(message);
        $core.mutate(&metadata, request, unwrap).await
    }};
}
