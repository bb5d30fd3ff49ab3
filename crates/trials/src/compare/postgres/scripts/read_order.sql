\if :n > 0
\set order (:invocation * 1000 + :client_id) * 100000000 + random(1, :n)
select o.state, o.placed_at, l.line, l.sku, l.quantity from orders o join order_lines l using (order_id) where order_id = :order;
\else
\set a random(1, :skus)
select sku, available, reserved, committed from stock where sku = :a;
\endif
