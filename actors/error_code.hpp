// SPDX-License-Identifier: Apache-2.0
// failure <-> caf::error: the one place where our error words become CAF's. Only actors/ and api/ see
// caf::error.
#pragma once

#include <caf/error.hpp>

#include "protocol/failure.hpp"

namespace nydus {

/// An error that carries `why`, detail included, to whoever asked.
caf::error to_error(const failure& why);

/// The failure that to_error() packed. Errors of CAF itself (receiver gone, timeout) become `abandoned` or
/// `timed_out`.
failure to_failure(const caf::error& error);

} // namespace nydus
