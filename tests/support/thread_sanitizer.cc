// What the thread sanitizer cannot see: Debian's Abseil is not built with it, so the counting of
// references that orders the last two owners of a Status happens behind its back, and the deletion
// looks like a race. Only the runtime of the sanitizer calls this.
extern "C" const char* __tsan_default_suppressions() { return "race:absl::*Status::Unref\n"; }
