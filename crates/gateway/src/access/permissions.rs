//! The one table of who may call what. `docs/reference/permissions.md` is held against it, and so are the services.

use stockade_credentials::Role;
use stockade_proto::v1::mutation::Request as Mutated;

/// A method, and the roles that have it.
#[derive(Debug, Clone, Copy)]
pub struct Permission {
    /// As it stands in a call: `/stockade.v1.OrderService/PlaceOrder`.
    pub path: &'static str,
    /// Who may call it.
    pub roles: &'static [Role],
    /// True of what looks after the cluster: each call is written down.
    pub administrative: bool,
}

/// Looks at the shop.
const READ: &[Role] = &[Role::Read, Role::Order, Role::Stock, Role::Admin];
/// Sells.
const ORDER: &[Role] = &[Role::Order, Role::Admin];
/// Keeps catalog and stock.
const STOCK: &[Role] = &[Role::Stock, Role::Admin];
/// Changes the shop, in the ways that the role has: each operation is looked at by itself.
const CHANGE: &[Role] = &[Role::Order, Role::Stock, Role::Admin];
/// Looks after the cluster.
const OPERATE: &[Role] = &[Role::Operator, Role::Admin];

const fn of(path: &'static str, roles: &'static [Role]) -> Permission {
    Permission { path, roles, administrative: false }
}

const fn administrative(path: &'static str) -> Permission {
    Permission { path, roles: OPERATE, administrative: true }
}

/// Every method of every public service.
pub const PERMISSIONS: &[Permission] = &[
    of("/stockade.v1.CatalogService/CreateSku", STOCK),
    of("/stockade.v1.CatalogService/GetSku", READ),
    of("/stockade.v1.CatalogService/BatchGetSkus", READ),
    of("/stockade.v1.CatalogService/UpdateSku", STOCK),
    of("/stockade.v1.CatalogService/ListSkus", READ),
    of("/stockade.v1.CatalogService/DeleteSku", STOCK),
    of("/stockade.v1.CatalogService/CreateLocation", STOCK),
    of("/stockade.v1.CatalogService/GetLocation", READ),
    of("/stockade.v1.CatalogService/UpdateLocation", STOCK),
    of("/stockade.v1.CatalogService/ListLocations", READ),
    of("/stockade.v1.CatalogService/DeleteLocation", STOCK),
    of("/stockade.v1.StockService/ReceiveStock", STOCK),
    of("/stockade.v1.StockService/AdjustStock", STOCK),
    of("/stockade.v1.StockService/SetStock", STOCK),
    of("/stockade.v1.StockService/MoveStock", STOCK),
    of("/stockade.v1.StockService/GetStock", READ),
    of("/stockade.v1.StockService/BatchGetStock", READ),
    of("/stockade.v1.StockService/ListStock", READ),
    of("/stockade.v1.StockService/GetAvailability", READ),
    of("/stockade.v1.OrderService/PlaceOrder", ORDER),
    of("/stockade.v1.OrderService/ConfirmOrder", ORDER),
    of("/stockade.v1.OrderService/ExtendOrder", ORDER),
    of("/stockade.v1.OrderService/ShipOrder", ORDER),
    of("/stockade.v1.OrderService/CancelOrder", ORDER),
    of("/stockade.v1.OrderService/CloseOrder", ORDER),
    of("/stockade.v1.OrderService/ReturnOrder", ORDER),
    of("/stockade.v1.OrderService/GetOrder", READ),
    of("/stockade.v1.OrderService/BatchGetOrders", READ),
    of("/stockade.v1.OrderService/ListOrders", READ),
    of("/stockade.v1.ReservationService/CreateReservation", ORDER),
    of("/stockade.v1.ReservationService/ExtendReservation", ORDER),
    of("/stockade.v1.ReservationService/CommitReservation", ORDER),
    of("/stockade.v1.ReservationService/ReleaseReservation", ORDER),
    of("/stockade.v1.ReservationService/MoveReservation", ORDER),
    of("/stockade.v1.ReservationService/GetReservation", READ),
    of("/stockade.v1.ReservationService/ListReservations", READ),
    of("/stockade.v1.TransactionService/Transact", CHANGE),
    of("/stockade.v1.TransactionService/Submit", CHANGE),
    of("/stockade.v1.TransactionService/GetOutcome", CHANGE),
    of("/stockade.v1.TransactionService/AbandonRequest", CHANGE),
    of("/stockade.v1.LedgerService/ListLedgerEntries", READ),
    of("/stockade.v1.LedgerService/GetStockAsOf", READ),
    // Reads the whole ledger from the disk.
    administrative("/stockade.v1.LedgerService/VerifyLedger"),
    // Clients find the members by it.
    of("/stockade.v1.ClusterService/GetStatus", &Role::ALL),
    administrative("/stockade.v1.ClusterService/AddLearner"),
    administrative("/stockade.v1.ClusterService/Promote"),
    administrative("/stockade.v1.ClusterService/Drain"),
    administrative("/stockade.v1.ClusterService/Remove"),
    administrative("/stockade.v1.ClusterService/TransferLeadership"),
    administrative("/stockade.v1.MaintenanceService/StateHash"),
    administrative("/stockade.v1.MaintenanceService/ExportLog"),
    administrative("/stockade.v1.MaintenanceService/Snapshot"),
];

fn find(path: &str) -> Option<&'static Permission> {
    PERMISSIONS.iter().find(|permission| permission.path == path)
}

/// Whether a role may call a method. One that is not in the table is the admin's alone.
pub(super) fn allows(role: Role, path: &str) -> bool {
    find(path).map_or(role == Role::Admin, |permission| permission.roles.contains(&role))
}

/// Whether a method looks after the cluster; one that is not in the table might.
pub(super) fn is_administrative(path: &str) -> bool {
    find(path).is_none_or(|permission| permission.administrative)
}

/// The method that a mutation would be called by alone.
pub(super) fn of_mutation(request: &Mutated) -> &'static str {
    match request {
        Mutated::CreateSku(_) => "/stockade.v1.CatalogService/CreateSku",
        Mutated::UpdateSku(_) => "/stockade.v1.CatalogService/UpdateSku",
        Mutated::DeleteSku(_) => "/stockade.v1.CatalogService/DeleteSku",
        Mutated::CreateLocation(_) => "/stockade.v1.CatalogService/CreateLocation",
        Mutated::UpdateLocation(_) => "/stockade.v1.CatalogService/UpdateLocation",
        Mutated::DeleteLocation(_) => "/stockade.v1.CatalogService/DeleteLocation",
        Mutated::ReceiveStock(_) => "/stockade.v1.StockService/ReceiveStock",
        Mutated::AdjustStock(_) => "/stockade.v1.StockService/AdjustStock",
        Mutated::SetStock(_) => "/stockade.v1.StockService/SetStock",
        Mutated::MoveStock(_) => "/stockade.v1.StockService/MoveStock",
        Mutated::PlaceOrder(_) => "/stockade.v1.OrderService/PlaceOrder",
        Mutated::ConfirmOrder(_) => "/stockade.v1.OrderService/ConfirmOrder",
        Mutated::ExtendOrder(_) => "/stockade.v1.OrderService/ExtendOrder",
        Mutated::ShipOrder(_) => "/stockade.v1.OrderService/ShipOrder",
        Mutated::CancelOrder(_) => "/stockade.v1.OrderService/CancelOrder",
        Mutated::CloseOrder(_) => "/stockade.v1.OrderService/CloseOrder",
        Mutated::ReturnOrder(_) => "/stockade.v1.OrderService/ReturnOrder",
        Mutated::CreateReservation(_) => "/stockade.v1.ReservationService/CreateReservation",
        Mutated::ExtendReservation(_) => "/stockade.v1.ReservationService/ExtendReservation",
        Mutated::CommitReservation(_) => "/stockade.v1.ReservationService/CommitReservation",
        Mutated::ReleaseReservation(_) => "/stockade.v1.ReservationService/ReleaseReservation",
        Mutated::MoveReservation(_) => "/stockade.v1.ReservationService/MoveReservation",
        Mutated::Transact(_) => "/stockade.v1.TransactionService/Transact",
    }
}
