\set n :n + 1
\set order (:invocation * 1000 + :client_id) * 100000000 + :n
\set request :order * 2
select place_order(:request, :order, array[1]::integer[], array[1]::bigint[]);
