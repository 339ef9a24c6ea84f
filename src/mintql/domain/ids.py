"""The kinds of ids. All are 64-bit integers given by the database; a row is named by its person and its id."""

from __future__ import annotations

from typing import NewType

UserId = NewType("UserId", int)
SessionId = NewType("SessionId", int)
ConnectionId = NewType("ConnectionId", int)
AccountId = NewType("AccountId", int)
TransactionId = NewType("TransactionId", int)
CategoryId = NewType("CategoryId", int)
SyncRunId = NewType("SyncRunId", int)
RawObjectId = NewType("RawObjectId", int)
ImportId = NewType("ImportId", int)
LinkVisitId = NewType("LinkVisitId", int)
RuleId = NewType("RuleId", int)
RuleApplicationId = NewType("RuleApplicationId", int)
AlertId = NewType("AlertId", int)
EventSeq = NewType("EventSeq", int)
ChangeSeq = NewType("ChangeSeq", int)
TransferId = NewType("TransferId", int)
ShareId = NewType("ShareId", int)
RecurringId = NewType("RecurringId", int)
NotificationId = NewType("NotificationId", int)
AuditEntryId = NewType("AuditEntryId", int)
DeletionId = NewType("DeletionId", int)
WebhookEndpointId = NewType("WebhookEndpointId", int)
WebhookDeliveryId = NewType("WebhookDeliveryId", int)
