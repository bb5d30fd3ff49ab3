\if :confirmed < :n
\set confirmed :confirmed + 1
\set order (:invocation * 1000 + :client_id) * 100000000 + :confirmed
\set request :order * 2 + 1
select confirm_order(:request, :order);
\else
\set a random(1, :skus)
select sku, available, reserved, committed from stock where sku = :a;
\endif
