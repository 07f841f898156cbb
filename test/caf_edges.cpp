// SPDX-License-Identifier: Apache-2.0
// Tells ThreadSanitizer what orders actors: who puts a message into a mailbox comes before its actor's next
// turn, and so does the turn before. Debian's libcaf is not instrumented, so that every message would look
// like a race. Linked into the actors' tests where b_sanitize=thread; calls of these functions, the library's
// own too, come here first. Neighbour: tsan.supp has what this does not reach.
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include <cstddef>

namespace {

// All that was done before leave() of an object comes before all that follows enter() of it.
void enter(void* object) {
  __tsan_acquire(object);
}
void leave(void* object) {
  __tsan_release(object);
}

/// The library's own function of that name.
template <class Function>
Function* library(Function*, const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

char timers; // stands for CAF's clock

} // namespace

// `void*` stands for a pointer, and for what is passed by one because it has a destructor.
#define LIBRARY(name) static const auto real = library(&name, #name)

extern "C" {

// scheduled_actor::enqueue(mailbox_element_ptr, execution_unit*)
void _ZN3caf15scheduled_actor7enqueueESt10unique_ptrINS_15mailbox_elementENS_6detail8disposerEEPNS_14execution_unitE(
    void* self, void* element, void* unit) {
  LIBRARY(
      _ZN3caf15scheduled_actor7enqueueESt10unique_ptrINS_15mailbox_elementENS_6detail8disposerEEPNS_14execution_unitE);
  leave(self);
  enter(self);
  real(self, element, unit);
}

// scheduled_actor::launch(execution_unit*, bool, bool)
void _ZN3caf15scheduled_actor6launchEPNS_14execution_unitEbb(void* self, void* unit, bool lazy, bool hide) {
  LIBRARY(_ZN3caf15scheduled_actor6launchEPNS_14execution_unitEbb);
  leave(self);
  real(self, unit, lazy, hide);
}

// event_based_actor::initialize()
void _ZN3caf17event_based_actor10initializeEv(void* self) {
  LIBRARY(_ZN3caf17event_based_actor10initializeEv);
  enter(self);
  real(self);
  leave(self);
}

// scheduled_actor::resume(execution_unit*, size_t)
int _ZN3caf15scheduled_actor6resumeEPNS_14execution_unitEm(void* self, void* unit, std::size_t most) {
  LIBRARY(_ZN3caf15scheduled_actor6resumeEPNS_14execution_unitEm);
  enter(self);
  const int outcome = real(self, unit, most);
  leave(self);
  return outcome;
}

// scheduled_actor::consume(mailbox_element&)
int _ZN3caf15scheduled_actor7consumeERNS_15mailbox_elementE(void* self, void* element) {
  LIBRARY(_ZN3caf15scheduled_actor7consumeERNS_15mailbox_elementE);
  enter(self);
  const int outcome = real(self, element);
  leave(self);
  return outcome;
}

// blocking_actor::enqueue(mailbox_element_ptr, execution_unit*)
void _ZN3caf14blocking_actor7enqueueESt10unique_ptrINS_15mailbox_elementENS_6detail8disposerEEPNS_14execution_unitE(
    void* self, void* element, void* unit) {
  LIBRARY(
      _ZN3caf14blocking_actor7enqueueESt10unique_ptrINS_15mailbox_elementENS_6detail8disposerEEPNS_14execution_unitE);
  leave(self);
  real(self, element, unit);
}

// blocking_actor::mailbox_visitor::operator()(mailbox_element&); its first member is the actor
int _ZN3caf14blocking_actor15mailbox_visitorclERNS_15mailbox_elementE(void** self, void* element) {
  LIBRARY(_ZN3caf14blocking_actor15mailbox_visitorclERNS_15mailbox_elementE);
  enter(*self);
  return real(self, element);
}

// intrusive_ptr_release(actor_control_block*)
void _ZN3caf21intrusive_ptr_releaseEPNS_19actor_control_blockE(void* self) {
  LIBRARY(_ZN3caf21intrusive_ptr_releaseEPNS_19actor_control_blockE);
  leave(self);
  enter(self);
  real(self);
}

// intrusive_ptr_release_weak(actor_control_block*)
void _ZN3caf26intrusive_ptr_release_weakEPNS_19actor_control_blockE(void* self) {
  LIBRARY(_ZN3caf26intrusive_ptr_release_weakEPNS_19actor_control_blockE);
  leave(self);
  enter(self);
  real(self);
}

// ref_counted::deref() const
void _ZNK3caf11ref_counted5derefEv(void* self) {
  LIBRARY(_ZNK3caf11ref_counted5derefEv);
  leave(self);
  enter(self);
  real(self);
}

// thread_safe_actor_clock::schedule_message(time_point, strong_actor_ptr, mailbox_element_ptr)
void _ZN3caf6detail23thread_safe_actor_clock16schedule_messageENSt6chrono10time_pointINS2_3_V212steady_clockENS2_8durationIlSt5ratioILl1ELl1000000000EEEEEENS_13intrusive_ptrINS_19actor_control_blockEEESt10unique_ptrINS_15mailbox_elementENS0_8disposerEE(
    void* self, long when, void* receiver, void* element) {
  LIBRARY(
      _ZN3caf6detail23thread_safe_actor_clock16schedule_messageENSt6chrono10time_pointINS2_3_V212steady_clockENS2_8durationIlSt5ratioILl1ELl1000000000EEEEEENS_13intrusive_ptrINS_19actor_control_blockEEESt10unique_ptrINS_15mailbox_elementENS0_8disposerEE);
  leave(&timers);
  real(self, when, receiver, element);
}

// thread_safe_actor_clock::set_request_timeout(time_point, abstract_actor*, message_id)
void _ZN3caf6detail23thread_safe_actor_clock19set_request_timeoutENSt6chrono10time_pointINS2_3_V212steady_clockENS2_8durationIlSt5ratioILl1ELl1000000000EEEEEEPNS_14abstract_actorENS_10message_idE(
    void* self, long when, void* actor, std::size_t id) {
  LIBRARY(
      _ZN3caf6detail23thread_safe_actor_clock19set_request_timeoutENSt6chrono10time_pointINS2_3_V212steady_clockENS2_8durationIlSt5ratioILl1ELl1000000000EEEEEEPNS_14abstract_actorENS_10message_idE);
  leave(&timers);
  real(self, when, actor, id);
}

// simple_actor_clock::ship(delayed_event&)
void _ZN3caf6detail18simple_actor_clock4shipERNS1_13delayed_eventE(void* self, void* event) {
  LIBRARY(_ZN3caf6detail18simple_actor_clock4shipERNS1_13delayed_eventE);
  enter(&timers);
  real(self, event);
}

} // extern "C"
