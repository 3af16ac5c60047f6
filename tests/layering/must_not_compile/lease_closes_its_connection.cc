// What the pool does to a connection is not a borrower's to do.
#include "roost/pool.h"

void Use(absl::StatusOr<roost::Lease> lease) {
  lease->Seal().IgnoreError();
  (*lease)->Seal().IgnoreError();
#ifdef WRONG
  lease->Close();                                               // error: no member named
  (*lease)->Close();                                            // error: private
  (*lease)->Abandon();                                          // error: private
  (*lease)->Detach();                                           // error: private
  (*lease)->Inspect();                                          // error: private
  (*lease)->Reset(roost::Deadline::Never()).IgnoreError();      // error: private
  (*lease)->Ping(roost::Deadline::Never()).IgnoreError();       // error: private
  (*lease)->BeginPing(roost::Deadline::Never()).IgnoreError();  // error: protected
  (*lease)->Maintain(roost::Deadline::Never()).IgnoreError();   // error: private
  (*lease)->CommitTransaction().IgnoreError();                  // error: private
  (*lease)->RollbackTransaction().IgnoreError();                // error: private
  delete &**lease;                                              // error: protected
#endif
}
