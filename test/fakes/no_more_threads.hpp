// SPDX-License-Identifier: Apache-2.0
// A machine that gives no more threads, as with a limit on a container's tasks, without a limit that would
// hit the test as well: new threads ask for a stack that no address space holds.
#pragma once

#include <pthread.h>

#include <cstddef>

namespace nydus {

/// While it lives, no thread of this process can be made with default attributes.
class no_more_threads {
public:
  no_more_threads() {
    pthread_getattr_default_np(&before_);
    pthread_attr_t huge = before_;
    pthread_attr_setstacksize(&huge, std::size_t{1} << 60);
    pthread_setattr_default_np(&huge);
  }
  no_more_threads(const no_more_threads&) = delete;
  no_more_threads& operator=(const no_more_threads&) = delete;
  ~no_more_threads() { pthread_setattr_default_np(&before_); }

private:
  pthread_attr_t before_{};
};

} // namespace nydus
