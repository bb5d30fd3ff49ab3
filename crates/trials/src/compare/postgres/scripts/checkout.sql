\set n :n + 1
\set order (:invocation * 1000 + :client_id) * 100000000 + :n
\set request :order * 2
\set a random(1, :skus)
\set b random(1, :skus - 1)
\set b case when :b >= :a then :b + 1 else :b end
\set c random(1, :skus - 2)
\set c case when :c >= least(:a, :b) then :c + 1 else :c end
\set c case when :c >= greatest(:a, :b) then :c + 1 else :c end
select place_order(:request, :order, array[:a, :b, :c]::integer[], array[1, 1, 1]::bigint[]);
