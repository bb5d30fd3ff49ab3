//! Reservations.

use stockade_proto::v1;
use stockade_proto::v1::reservation_service_server::ReservationService;
use stockade_state_machine::ids::ReservationId;
use stockade_state_machine::rejection::Resource;
use stockade_state_machine::reservation::Reservation;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use crate::convert;
use crate::core::Core;
use crate::failure::Failure;
use crate::limits;
use crate::pages::{self, Scope};
use crate::validate::Violations;

/// The service. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Reservations(pub(crate) Core);

/// Which reservations a list holds.
struct Filter {
    state: v1::ReservationState,
    customer: String,
}

impl Filter {
    fn takes(&self, reservation: &Reservation) -> bool {
        let state = self.state == v1::ReservationState::Unspecified
            || self.state == convert::reservation_state(reservation.state());
        let customer = reservation.customer.as_ref().map_or("", |customer| customer.as_str());
        state && (self.customer.is_empty() || self.customer == customer)
    }

    fn takes_all(&self) -> bool {
        self.state == v1::ReservationState::Unspecified && self.customer.is_empty()
    }
}

impl Reservations {
    async fn get(
        &self,
        metadata: &MetadataMap,
        request: &v1::GetReservationRequest,
    ) -> Result<v1::GetReservationResponse, Failure> {
        let mut violations = Violations::default();
        let consistency = violations.consistency(request.read.as_ref());
        let id = violations.reservation("reservation_id", &request.reservation_id);
        let Some(id) = id else { return Err(violations.into()) };
        violations.into_result()?;
        let (found, answering) = self.0.read(metadata, consistency, |view| view.reservation(&id)).await?;
        let found = found.map_err(|error| Failure::storage(&error))?;
        let reservation = found.ok_or(Failure::Missing(Resource::Reservation(id)))?;
        let header = Some(answering.read(reservation.version.revision));
        Ok(v1::GetReservationResponse { header, reservation: Some(convert::reservation(&reservation)) })
    }

    async fn list(
        &self,
        metadata: &MetadataMap,
        request: &v1::ListReservationsRequest,
    ) -> Result<v1::ListReservationsResponse, Failure> {
        let mut violations = Violations::default();
        let consistency = violations.consistency(request.read.as_ref());
        let size = pages::size(request.page_size, &mut violations);
        let state = v1::ReservationState::try_from(request.state).unwrap_or_else(|_| {
            violations.add("state", "is not known");
            v1::ReservationState::Unspecified
        });
        violations.customer("customer_id", &request.customer_id);
        violations.into_result()?;
        let filter = Filter { state, customer: request.customer_id.clone() };
        let scope = Scope::new("reservations", &[&request.state.to_string(), &filter.customer]);
        let after = scope.last_key(&request.page_token)?.map(|key| ReservationId::new(&key)).transpose();
        let after = after.map_err(|_| Failure::PageTokenInvalid)?;
        // A filter looks at more reservations than it takes, so that few matches don't mean many calls.
        let rows = if filter.takes_all() { size } else { limits::MAX_PAGE_SIZE };
        let (seen, answering) =
            self.0.read(metadata, consistency, |view| view.reservations_after(after.as_ref(), rows)).await?;
        let seen = seen.map_err(|error| Failure::storage(&error))?;
        let page = pages::fill(&seen, size, rows, |reservation| {
            filter.takes(reservation).then(|| convert::reservation(reservation))
        });
        let last = page.last.map(|reservation| scope.token(reservation.id.as_str()));
        Ok(v1::ListReservationsResponse {
            header: Some(answering.read(answering.served)),
            reservations: page.items,
            next_page_token: last.unwrap_or_default(),
        })
    }
}

#[tonic::async_trait]
impl ReservationService for Reservations {
    async fn create_reservation(
        &self,
        request: Request<v1::CreateReservationRequest>,
    ) -> Result<Response<v1::CreateReservationResponse>, Status> {
        mutate!(self.0, request, CreateReservation)
    }

    async fn extend_reservation(
        &self,
        request: Request<v1::ExtendReservationRequest>,
    ) -> Result<Response<v1::ExtendReservationResponse>, Status> {
        mutate!(self.0, request, ExtendReservation)
    }

    async fn commit_reservation(
        &self,
        request: Request<v1::CommitReservationRequest>,
    ) -> Result<Response<v1::CommitReservationResponse>, Status> {
        mutate!(self.0, request, CommitReservation)
    }

    async fn release_reservation(
        &self,
        request: Request<v1::ReleaseReservationRequest>,
    ) -> Result<Response<v1::ReleaseReservationResponse>, Status> {
        mutate!(self.0, request, ReleaseReservation)
    }

    async fn move_reservation(
        &self,
        request: Request<v1::MoveReservationRequest>,
    ) -> Result<Response<v1::MoveReservationResponse>, Status> {
        mutate!(self.0, request, MoveReservation)
    }

    async fn get_reservation(
        &self,
        request: Request<v1::GetReservationRequest>,
    ) -> Result<Response<v1::GetReservationResponse>, Status> {
        self.0.answer(self.get(request.metadata(), request.get_ref()).await)
    }

    async fn list_reservations(
        &self,
        request: Request<v1::ListReservationsRequest>,
    ) -> Result<Response<v1::ListReservationsResponse>, Status> {
        self.0.answer(self.list(request.metadata(), request.get_ref()).await)
    }
}
