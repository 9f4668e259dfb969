-- SPDX-License-Identifier: Apache-2.0
-- Who changed one component, and when, without a walk over the whole trail.
CREATE INDEX audit_by_resource ON audit (resource, seq);
