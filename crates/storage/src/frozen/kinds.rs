//! Mirrors of enums without fields. A variant's place in its list is its number on disk.

use serde::{Deserialize, Serialize};
use stockade_state_machine::command::{Disposition, ShortagePolicy, Sourcing};
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::order::{Operation, OrderState};
use stockade_state_machine::reservation::ReservationState;
use stockade_state_machine::stock::Bucket;

macro_rules! frozen_kind {
    ($mirror:ident = $original:ident { $($variant:ident),* $(,)? }) => {
        #[derive(Debug, Clone, Copy, Serialize, Deserialize)]
        pub(crate) enum $mirror {
            $($variant),*
        }

        impl From<$original> for $mirror {
            fn from(kind: $original) -> Self {
                match kind {
                    $($original::$variant => Self::$variant),*
                }
            }
        }

        impl From<$mirror> for $original {
            fn from(mirror: $mirror) -> Self {
                match mirror {
                    $($mirror::$variant => Self::$variant),*
                }
            }
        }
    };
}

frozen_kind!(BucketV1 = Bucket { Available, Reserved, Committed, SafetyStock, Damaged, QualityControl });
frozen_kind!(DispositionV1 = Disposition { Restock, Damaged, Scrap });
frozen_kind!(SourcingV1 = Sourcing { Priority, MostStock, FewestSplits, Explicit, SplitProportional });
frozen_kind!(ShortagePolicyV1 = ShortagePolicy { AllOrNothing, Partial });
frozen_kind!(OperationV1 = Operation { Confirm, Extend, Ship, Cancel, Return, Close });
frozen_kind!(
    OrderStateV1 = OrderState {
        PendingPayment,
        Confirmed,
        PartiallyShipped,
        Shipped,
        PartiallyReturned,
        Returned,
        Cancelled,
        Expired,
        Closed,
    }
);
frozen_kind!(
    ReservationStateV1 = ReservationState { Active, PartiallyCommitted, Committed, Released, Expired }
);
frozen_kind!(
    ReasonV1 = Reason {
        Received,
        Returned,
        Reservation,
        Commit,
        Release,
        Expiry,
        Shipment,
        Restock,
        Correction,
        CycleCount,
        Damaged,
        Shrinkage,
        TheftLoss,
        Promotion,
        QualityHold,
        SafetyStock,
        Other,
    }
);
