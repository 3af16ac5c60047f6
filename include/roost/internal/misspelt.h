// include/roost/internal/misspelt.h - constants of a profile that are a setting with a slip of the finger.
//
// Written by tests/profile_errors/misspelt.py, which says what a slip is. C++ cannot list the members of
// a struct: a profile can only be asked for names that are known.
#ifndef ROOST_INTERNAL_MISSPELT_H_
#define ROOST_INTERNAL_MISSPELT_H_

namespace roost::internal {

// clang-format off
template <class P>
constexpr bool MisspellsName() {
  return
      requires { P::kaNme; } || requires { P::kNmae; } || requires { P::kNaem; } ||
      requires { P::kame; } || requires { P::kNme; } || requires { P::kNae; } || requires { P::kNam; } ||
      requires { P::kNName; } || requires { P::kNaame; } || requires { P::kNamme; } ||
      requires { P::kNamee; } || requires { P::KName; } || requires { P::kname; } ||
      requires { P::kNames; } || requires { P::Name; } || requires { P::name; };
}
template <class P>
constexpr bool MisspellsPoolSize() {
  return
      requires { P::koPolSize; } || requires { P::kPoloSize; } || requires { P::kPooSlize; } ||
      requires { P::kPooliSze; } || requires { P::kPoolSzie; } || requires { P::kPoolSiez; } ||
      requires { P::koolSize; } || requires { P::kPolSize; } || requires { P::kPooSize; } ||
      requires { P::kPoolize; } || requires { P::kPoolSze; } || requires { P::kPoolSie; } ||
      requires { P::kPoolSiz; } || requires { P::kPPoolSize; } || requires { P::kPooolSize; } ||
      requires { P::kPoollSize; } || requires { P::kPoolSSize; } || requires { P::kPoolSiize; } ||
      requires { P::kPoolSizze; } || requires { P::kPoolSizee; } || requires { P::KPoolSize; } ||
      requires { P::kpoolSize; } || requires { P::kPoolsize; } || requires { P::kPoolSizes; } ||
      requires { P::PoolSize; } || requires { P::pool_size; } || requires { P::kSize; } ||
      requires { P::kMaxSize; };
}
template <class P>
constexpr bool MisspellsMaxOverflow() {
  return
      requires { P::kaMxOverflow; } || requires { P::kMxaOverflow; } || requires { P::kMaOxverflow; } ||
      requires { P::kMaxvOerflow; } || requires { P::kMaxOevrflow; } || requires { P::kMaxOvreflow; } ||
      requires { P::kMaxOvefrlow; } || requires { P::kMaxOverlfow; } || requires { P::kMaxOverfolw; } ||
      requires { P::kMaxOverflwo; } || requires { P::kaxOverflow; } || requires { P::kMxOverflow; } ||
      requires { P::kMaOverflow; } || requires { P::kMaxverflow; } || requires { P::kMaxOerflow; } ||
      requires { P::kMaxOvrflow; } || requires { P::kMaxOveflow; } || requires { P::kMaxOverlow; } ||
      requires { P::kMaxOverfow; } || requires { P::kMaxOverflw; } || requires { P::kMaxOverflo; } ||
      requires { P::kMMaxOverflow; } || requires { P::kMaaxOverflow; } ||
      requires { P::kMaxxOverflow; } || requires { P::kMaxOOverflow; } ||
      requires { P::kMaxOvverflow; } || requires { P::kMaxOveerflow; } ||
      requires { P::kMaxOverrflow; } || requires { P::kMaxOverfflow; } ||
      requires { P::kMaxOverfllow; } || requires { P::kMaxOverfloow; } ||
      requires { P::kMaxOverfloww; } || requires { P::KMaxOverflow; } || requires { P::kmaxOverflow; } ||
      requires { P::kMaxoverflow; } || requires { P::kMaxOverflows; } || requires { P::MaxOverflow; } ||
      requires { P::max_overflow; } || requires { P::kOverflow; };
}
template <class P>
constexpr bool MisspellsPoolTimeout() {
  return
      requires { P::koPolTimeout; } || requires { P::kPoloTimeout; } || requires { P::kPooTlimeout; } ||
      requires { P::kPooliTmeout; } || requires { P::kPoolTmieout; } || requires { P::kPoolTiemout; } ||
      requires { P::kPoolTimoeut; } || requires { P::kPoolTimeuot; } || requires { P::kPoolTimeotu; } ||
      requires { P::koolTimeout; } || requires { P::kPolTimeout; } || requires { P::kPooTimeout; } ||
      requires { P::kPoolimeout; } || requires { P::kPoolTmeout; } || requires { P::kPoolTieout; } ||
      requires { P::kPoolTimout; } || requires { P::kPoolTimeut; } || requires { P::kPoolTimeot; } ||
      requires { P::kPoolTimeou; } || requires { P::kPPoolTimeout; } || requires { P::kPooolTimeout; } ||
      requires { P::kPoollTimeout; } || requires { P::kPoolTTimeout; } ||
      requires { P::kPoolTiimeout; } || requires { P::kPoolTimmeout; } ||
      requires { P::kPoolTimeeout; } || requires { P::kPoolTimeoout; } ||
      requires { P::kPoolTimeouut; } || requires { P::kPoolTimeoutt; } ||
      requires { P::KPoolTimeout; } || requires { P::kpoolTimeout; } || requires { P::kPooltimeout; } ||
      requires { P::kPoolTimeouts; } || requires { P::PoolTimeout; } || requires { P::pool_timeout; } ||
      requires { P::kTimeout; } || requires { P::kAcquireTimeout; };
}
template <class P>
constexpr bool MisspellsPoolRecycle() {
  return
      requires { P::koPolRecycle; } || requires { P::kPoloRecycle; } || requires { P::kPooRlecycle; } ||
      requires { P::kPooleRcycle; } || requires { P::kPoolRceycle; } || requires { P::kPoolReyccle; } ||
      requires { P::kPoolReccyle; } || requires { P::kPoolRecylce; } || requires { P::kPoolRecycel; } ||
      requires { P::koolRecycle; } || requires { P::kPolRecycle; } || requires { P::kPooRecycle; } ||
      requires { P::kPoolecycle; } || requires { P::kPoolRcycle; } || requires { P::kPoolReycle; } ||
      requires { P::kPoolReccle; } || requires { P::kPoolRecyle; } || requires { P::kPoolRecyce; } ||
      requires { P::kPoolRecycl; } || requires { P::kPPoolRecycle; } || requires { P::kPooolRecycle; } ||
      requires { P::kPoollRecycle; } || requires { P::kPoolRRecycle; } ||
      requires { P::kPoolReecycle; } || requires { P::kPoolReccycle; } ||
      requires { P::kPoolRecyycle; } || requires { P::kPoolRecyccle; } ||
      requires { P::kPoolRecyclle; } || requires { P::kPoolRecyclee; } ||
      requires { P::KPoolRecycle; } || requires { P::kpoolRecycle; } || requires { P::kPoolrecycle; } ||
      requires { P::kPoolRecycles; } || requires { P::PoolRecycle; } || requires { P::pool_recycle; } ||
      requires { P::kRecycle; } || requires { P::kMaxLifetime; };
}
template <class P>
constexpr bool MisspellsPrePing() {
  return
      requires { P::krPePing; } || requires { P::kPerPing; } || requires { P::kPrPeing; } ||
      requires { P::kPreiPng; } || requires { P::kPrePnig; } || requires { P::kPrePign; } ||
      requires { P::krePing; } || requires { P::kPePing; } || requires { P::kPrPing; } ||
      requires { P::kPreing; } || requires { P::kPrePng; } || requires { P::kPrePig; } ||
      requires { P::kPrePin; } || requires { P::kPPrePing; } || requires { P::kPrrePing; } ||
      requires { P::kPreePing; } || requires { P::kPrePPing; } || requires { P::kPrePiing; } ||
      requires { P::kPrePinng; } || requires { P::kPrePingg; } || requires { P::KPrePing; } ||
      requires { P::kprePing; } || requires { P::kPreping; } || requires { P::kPrePings; } ||
      requires { P::PrePing; } || requires { P::pre_ping; } || requires { P::kPoolPrePing; } ||
      requires { P::pool_pre_ping; };
}
template <class P>
constexpr bool MisspellsEchoPool() {
  return
      requires { P::kcEhoPool; } || requires { P::kEhcoPool; } || requires { P::kEcohPool; } ||
      requires { P::kEchPoool; } || requires { P::kEchooPol; } || requires { P::kEchoPolo; } ||
      requires { P::kchoPool; } || requires { P::kEhoPool; } || requires { P::kEcoPool; } ||
      requires { P::kEchPool; } || requires { P::kEchoool; } || requires { P::kEchoPol; } ||
      requires { P::kEchoPoo; } || requires { P::kEEchoPool; } || requires { P::kEcchoPool; } ||
      requires { P::kEchhoPool; } || requires { P::kEchooPool; } || requires { P::kEchoPPool; } ||
      requires { P::kEchoPoool; } || requires { P::kEchoPooll; } || requires { P::KEchoPool; } ||
      requires { P::kechoPool; } || requires { P::kEchopool; } || requires { P::kEchoPools; } ||
      requires { P::EchoPool; } || requires { P::echo_pool; } || requires { P::kEcho; } ||
      requires { P::kPoolEcho; };
}
template <class P>
constexpr bool MisspellsMaxWaiters() {
  return
      requires { P::kaMxWaiters; } || requires { P::kMxaWaiters; } || requires { P::kMaWxaiters; } ||
      requires { P::kMaxaWiters; } || requires { P::kMaxWiaters; } || requires { P::kMaxWatiers; } ||
      requires { P::kMaxWaietrs; } || requires { P::kMaxWaitres; } || requires { P::kMaxWaitesr; } ||
      requires { P::kaxWaiters; } || requires { P::kMxWaiters; } || requires { P::kMaWaiters; } ||
      requires { P::kMaxaiters; } || requires { P::kMaxWiters; } || requires { P::kMaxWaters; } ||
      requires { P::kMaxWaiers; } || requires { P::kMaxWaitrs; } || requires { P::kMaxWaites; } ||
      requires { P::kMaxWaiter; } || requires { P::kMMaxWaiters; } || requires { P::kMaaxWaiters; } ||
      requires { P::kMaxxWaiters; } || requires { P::kMaxWWaiters; } || requires { P::kMaxWaaiters; } ||
      requires { P::kMaxWaiiters; } || requires { P::kMaxWaitters; } || requires { P::kMaxWaiteers; } ||
      requires { P::kMaxWaiterrs; } || requires { P::kMaxWaiterss; } || requires { P::KMaxWaiters; } ||
      requires { P::kmaxWaiters; } || requires { P::kMaxwaiters; } || requires { P::MaxWaiters; } ||
      requires { P::max_waiters; };
}
template <class P>
constexpr bool MisspellsWhenAway() {
  return
      requires { P::khWenAway; } || requires { P::kWehnAway; } || requires { P::kWhneAway; } ||
      requires { P::kWheAnway; } || requires { P::kWhenwAay; } || requires { P::kWhenAawy; } ||
      requires { P::kWhenAwya; } || requires { P::khenAway; } || requires { P::kWenAway; } ||
      requires { P::kWhnAway; } || requires { P::kWheAway; } || requires { P::kWhenway; } ||
      requires { P::kWhenAay; } || requires { P::kWhenAwy; } || requires { P::kWhenAwa; } ||
      requires { P::kWWhenAway; } || requires { P::kWhhenAway; } || requires { P::kWheenAway; } ||
      requires { P::kWhennAway; } || requires { P::kWhenAAway; } || requires { P::kWhenAwway; } ||
      requires { P::kWhenAwaay; } || requires { P::kWhenAwayy; } || requires { P::KWhenAway; } ||
      requires { P::kwhenAway; } || requires { P::kWhenaway; } || requires { P::kWhenAways; } ||
      requires { P::WhenAway; } || requires { P::when_away; };
}
template <class P>
constexpr bool MisspellsMaxOvertakes() {
  return
      requires { P::kaMxOvertakes; } || requires { P::kMxaOvertakes; } ||
      requires { P::kMaOxvertakes; } || requires { P::kMaxvOertakes; } ||
      requires { P::kMaxOevrtakes; } || requires { P::kMaxOvretakes; } ||
      requires { P::kMaxOvetrakes; } || requires { P::kMaxOveratkes; } ||
      requires { P::kMaxOvertkaes; } || requires { P::kMaxOvertaeks; } ||
      requires { P::kMaxOvertakse; } || requires { P::kaxOvertakes; } || requires { P::kMxOvertakes; } ||
      requires { P::kMaOvertakes; } || requires { P::kMaxvertakes; } || requires { P::kMaxOertakes; } ||
      requires { P::kMaxOvrtakes; } || requires { P::kMaxOvetakes; } || requires { P::kMaxOverakes; } ||
      requires { P::kMaxOvertkes; } || requires { P::kMaxOvertaes; } || requires { P::kMaxOvertaks; } ||
      requires { P::kMaxOvertake; } || requires { P::kMMaxOvertakes; } ||
      requires { P::kMaaxOvertakes; } || requires { P::kMaxxOvertakes; } ||
      requires { P::kMaxOOvertakes; } || requires { P::kMaxOvvertakes; } ||
      requires { P::kMaxOveertakes; } || requires { P::kMaxOverrtakes; } ||
      requires { P::kMaxOverttakes; } || requires { P::kMaxOvertaakes; } ||
      requires { P::kMaxOvertakkes; } || requires { P::kMaxOvertakees; } ||
      requires { P::kMaxOvertakess; } || requires { P::KMaxOvertakes; } ||
      requires { P::kmaxOvertakes; } || requires { P::kMaxovertakes; } ||
      requires { P::MaxOvertakes; } || requires { P::max_overtakes; };
}
template <class P>
constexpr bool MisspellsOpenBy() {
  return
      requires { P::kpOenBy; } || requires { P::kOepnBy; } || requires { P::kOpneBy; } ||
      requires { P::kOpeBny; } || requires { P::kOpenyB; } || requires { P::kpenBy; } ||
      requires { P::kOenBy; } || requires { P::kOpnBy; } || requires { P::kOpeBy; } ||
      requires { P::kOpeny; } || requires { P::kOpenB; } || requires { P::kOOpenBy; } ||
      requires { P::kOppenBy; } || requires { P::kOpeenBy; } || requires { P::kOpennBy; } ||
      requires { P::kOpenBBy; } || requires { P::kOpenByy; } || requires { P::KOpenBy; } ||
      requires { P::kopenBy; } || requires { P::kOpenby; } || requires { P::kOpenBys; } ||
      requires { P::OpenBy; } || requires { P::open_by; };
}
template <class P>
constexpr bool MisspellsOpenTimeout() {
  return
      requires { P::kpOenTimeout; } || requires { P::kOepnTimeout; } || requires { P::kOpneTimeout; } ||
      requires { P::kOpeTnimeout; } || requires { P::kOpeniTmeout; } || requires { P::kOpenTmieout; } ||
      requires { P::kOpenTiemout; } || requires { P::kOpenTimoeut; } || requires { P::kOpenTimeuot; } ||
      requires { P::kOpenTimeotu; } || requires { P::kpenTimeout; } || requires { P::kOenTimeout; } ||
      requires { P::kOpnTimeout; } || requires { P::kOpeTimeout; } || requires { P::kOpenimeout; } ||
      requires { P::kOpenTmeout; } || requires { P::kOpenTieout; } || requires { P::kOpenTimout; } ||
      requires { P::kOpenTimeut; } || requires { P::kOpenTimeot; } || requires { P::kOpenTimeou; } ||
      requires { P::kOOpenTimeout; } || requires { P::kOppenTimeout; } ||
      requires { P::kOpeenTimeout; } || requires { P::kOpennTimeout; } ||
      requires { P::kOpenTTimeout; } || requires { P::kOpenTiimeout; } ||
      requires { P::kOpenTimmeout; } || requires { P::kOpenTimeeout; } ||
      requires { P::kOpenTimeoout; } || requires { P::kOpenTimeouut; } ||
      requires { P::kOpenTimeoutt; } || requires { P::KOpenTimeout; } || requires { P::kopenTimeout; } ||
      requires { P::kOpentimeout; } || requires { P::kOpenTimeouts; } || requires { P::OpenTimeout; } ||
      requires { P::open_timeout; } || requires { P::kConnectTimeout; };
}
template <class P>
constexpr bool MisspellsBackoffMin() {
  return
      requires { P::kaBckoffMin; } || requires { P::kBcakoffMin; } || requires { P::kBakcoffMin; } ||
      requires { P::kBacokffMin; } || requires { P::kBackfofMin; } || requires { P::kBackofMfin; } ||
      requires { P::kBackoffiMn; } || requires { P::kBackoffMni; } || requires { P::kackoffMin; } ||
      requires { P::kBckoffMin; } || requires { P::kBakoffMin; } || requires { P::kBacoffMin; } ||
      requires { P::kBackffMin; } || requires { P::kBackofMin; } || requires { P::kBackoffin; } ||
      requires { P::kBackoffMn; } || requires { P::kBackoffMi; } || requires { P::kBBackoffMin; } ||
      requires { P::kBaackoffMin; } || requires { P::kBacckoffMin; } || requires { P::kBackkoffMin; } ||
      requires { P::kBackooffMin; } || requires { P::kBackofffMin; } || requires { P::kBackoffMMin; } ||
      requires { P::kBackoffMiin; } || requires { P::kBackoffMinn; } || requires { P::KBackoffMin; } ||
      requires { P::kbackoffMin; } || requires { P::kBackoffmin; } || requires { P::kBackoffMins; } ||
      requires { P::BackoffMin; } || requires { P::backoff_min; };
}
template <class P>
constexpr bool MisspellsBackoffMax() {
  return
      requires { P::kaBckoffMax; } || requires { P::kBcakoffMax; } || requires { P::kBakcoffMax; } ||
      requires { P::kBacokffMax; } || requires { P::kBackfofMax; } || requires { P::kBackofMfax; } ||
      requires { P::kBackoffaMx; } || requires { P::kBackoffMxa; } || requires { P::kackoffMax; } ||
      requires { P::kBckoffMax; } || requires { P::kBakoffMax; } || requires { P::kBacoffMax; } ||
      requires { P::kBackffMax; } || requires { P::kBackofMax; } || requires { P::kBackoffax; } ||
      requires { P::kBackoffMx; } || requires { P::kBackoffMa; } || requires { P::kBBackoffMax; } ||
      requires { P::kBaackoffMax; } || requires { P::kBacckoffMax; } || requires { P::kBackkoffMax; } ||
      requires { P::kBackooffMax; } || requires { P::kBackofffMax; } || requires { P::kBackoffMMax; } ||
      requires { P::kBackoffMaax; } || requires { P::kBackoffMaxx; } || requires { P::KBackoffMax; } ||
      requires { P::kbackoffMax; } || requires { P::kBackoffmax; } || requires { P::kBackoffMaxs; } ||
      requires { P::BackoffMax; } || requires { P::backoff_max; };
}
template <class P>
constexpr bool MisspellsPingAfter() {
  return
      requires { P::kiPngAfter; } || requires { P::kPnigAfter; } || requires { P::kPignAfter; } ||
      requires { P::kPinAgfter; } || requires { P::kPingfAter; } || requires { P::kPingAtfer; } ||
      requires { P::kPingAfetr; } || requires { P::kPingAftre; } || requires { P::kingAfter; } ||
      requires { P::kPngAfter; } || requires { P::kPigAfter; } || requires { P::kPinAfter; } ||
      requires { P::kPingfter; } || requires { P::kPingAter; } || requires { P::kPingAfer; } ||
      requires { P::kPingAftr; } || requires { P::kPingAfte; } || requires { P::kPPingAfter; } ||
      requires { P::kPiingAfter; } || requires { P::kPinngAfter; } || requires { P::kPinggAfter; } ||
      requires { P::kPingAAfter; } || requires { P::kPingAffter; } || requires { P::kPingAftter; } ||
      requires { P::kPingAfteer; } || requires { P::kPingAfterr; } || requires { P::KPingAfter; } ||
      requires { P::kpingAfter; } || requires { P::kPingafter; } || requires { P::kPingAfters; } ||
      requires { P::PingAfter; } || requires { P::ping_after; };
}
template <class P>
constexpr bool MisspellsPingTimeout() {
  return
      requires { P::kiPngTimeout; } || requires { P::kPnigTimeout; } || requires { P::kPignTimeout; } ||
      requires { P::kPinTgimeout; } || requires { P::kPingiTmeout; } || requires { P::kPingTmieout; } ||
      requires { P::kPingTiemout; } || requires { P::kPingTimoeut; } || requires { P::kPingTimeuot; } ||
      requires { P::kPingTimeotu; } || requires { P::kingTimeout; } || requires { P::kPngTimeout; } ||
      requires { P::kPigTimeout; } || requires { P::kPinTimeout; } || requires { P::kPingimeout; } ||
      requires { P::kPingTmeout; } || requires { P::kPingTieout; } || requires { P::kPingTimout; } ||
      requires { P::kPingTimeut; } || requires { P::kPingTimeot; } || requires { P::kPingTimeou; } ||
      requires { P::kPPingTimeout; } || requires { P::kPiingTimeout; } ||
      requires { P::kPinngTimeout; } || requires { P::kPinggTimeout; } ||
      requires { P::kPingTTimeout; } || requires { P::kPingTiimeout; } ||
      requires { P::kPingTimmeout; } || requires { P::kPingTimeeout; } ||
      requires { P::kPingTimeoout; } || requires { P::kPingTimeouut; } ||
      requires { P::kPingTimeoutt; } || requires { P::KPingTimeout; } || requires { P::kpingTimeout; } ||
      requires { P::kPingtimeout; } || requires { P::kPingTimeouts; } || requires { P::PingTimeout; } ||
      requires { P::ping_timeout; };
}
template <class P>
constexpr bool MisspellsResetTimeout() {
  return
      requires { P::keRsetTimeout; } || requires { P::kRseetTimeout; } ||
      requires { P::kReestTimeout; } || requires { P::kResteTimeout; } ||
      requires { P::kReseTtimeout; } || requires { P::kResetiTmeout; } ||
      requires { P::kResetTmieout; } || requires { P::kResetTiemout; } ||
      requires { P::kResetTimoeut; } || requires { P::kResetTimeuot; } ||
      requires { P::kResetTimeotu; } || requires { P::kesetTimeout; } || requires { P::kRsetTimeout; } ||
      requires { P::kReetTimeout; } || requires { P::kRestTimeout; } || requires { P::kReseTimeout; } ||
      requires { P::kResetimeout; } || requires { P::kResetTmeout; } || requires { P::kResetTieout; } ||
      requires { P::kResetTimout; } || requires { P::kResetTimeut; } || requires { P::kResetTimeot; } ||
      requires { P::kResetTimeou; } || requires { P::kRResetTimeout; } ||
      requires { P::kReesetTimeout; } || requires { P::kRessetTimeout; } ||
      requires { P::kReseetTimeout; } || requires { P::kResettTimeout; } ||
      requires { P::kResetTTimeout; } || requires { P::kResetTiimeout; } ||
      requires { P::kResetTimmeout; } || requires { P::kResetTimeeout; } ||
      requires { P::kResetTimeoout; } || requires { P::kResetTimeouut; } ||
      requires { P::kResetTimeoutt; } || requires { P::KResetTimeout; } ||
      requires { P::kresetTimeout; } || requires { P::kResettimeout; } ||
      requires { P::kResetTimeouts; } || requires { P::ResetTimeout; } || requires { P::reset_timeout; };
}
template <class P>
constexpr bool MisspellsKeepAlive() {
  return
      requires { P::keKepAlive; } || requires { P::kKepeAlive; } || requires { P::kKeeAplive; } ||
      requires { P::kKeeplAive; } || requires { P::kKeepAilve; } || requires { P::kKeepAlvie; } ||
      requires { P::kKeepAliev; } || requires { P::keepAlive; } || requires { P::kKepAlive; } ||
      requires { P::kKeeAlive; } || requires { P::kKeeplive; } || requires { P::kKeepAive; } ||
      requires { P::kKeepAlve; } || requires { P::kKeepAlie; } || requires { P::kKeepAliv; } ||
      requires { P::kKKeepAlive; } || requires { P::kKeeepAlive; } || requires { P::kKeeppAlive; } ||
      requires { P::kKeepAAlive; } || requires { P::kKeepAllive; } || requires { P::kKeepAliive; } ||
      requires { P::kKeepAlivve; } || requires { P::kKeepAlivee; } || requires { P::KKeepAlive; } ||
      requires { P::kkeepAlive; } || requires { P::kKeepalive; } || requires { P::kKeepAlives; } ||
      requires { P::KeepAlive; } || requires { P::keep_alive; };
}
template <class P>
constexpr bool MisspellsIdleLimit() {
  return
      requires { P::kdIleLimit; } || requires { P::kIldeLimit; } || requires { P::kIdelLimit; } ||
      requires { P::kIdlLeimit; } || requires { P::kIdleiLmit; } || requires { P::kIdleLmiit; } ||
      requires { P::kIdleLiimt; } || requires { P::kIdleLimti; } || requires { P::kdleLimit; } ||
      requires { P::kIleLimit; } || requires { P::kIdeLimit; } || requires { P::kIdlLimit; } ||
      requires { P::kIdleimit; } || requires { P::kIdleLmit; } || requires { P::kIdleLiit; } ||
      requires { P::kIdleLimt; } || requires { P::kIdleLimi; } || requires { P::kIIdleLimit; } ||
      requires { P::kIddleLimit; } || requires { P::kIdlleLimit; } || requires { P::kIdleeLimit; } ||
      requires { P::kIdleLLimit; } || requires { P::kIdleLiimit; } || requires { P::kIdleLimmit; } ||
      requires { P::kIdleLimiit; } || requires { P::kIdleLimitt; } || requires { P::KIdleLimit; } ||
      requires { P::kidleLimit; } || requires { P::kIdlelimit; } || requires { P::kIdleLimits; } ||
      requires { P::IdleLimit; } || requires { P::idle_limit; } || requires { P::kIdleTimeout; };
}
template <class P>
constexpr bool MisspellsLinger() {
  return
      requires { P::kiLnger; } || requires { P::kLniger; } || requires { P::kLigner; } ||
      requires { P::kLinegr; } || requires { P::kLingre; } || requires { P::kinger; } ||
      requires { P::kLnger; } || requires { P::kLiger; } || requires { P::kLiner; } ||
      requires { P::kLingr; } || requires { P::kLinge; } || requires { P::kLLinger; } ||
      requires { P::kLiinger; } || requires { P::kLinnger; } || requires { P::kLingger; } ||
      requires { P::kLingeer; } || requires { P::kLingerr; } || requires { P::KLinger; } ||
      requires { P::klinger; } || requires { P::kLingers; } || requires { P::Linger; } ||
      requires { P::linger; };
}
template <class P>
constexpr bool MisspellsTcpTimers() {
  return
      requires { P::kcTpTimers; } || requires { P::kTpcTimers; } || requires { P::kTcTpimers; } ||
      requires { P::kTcpiTmers; } || requires { P::kTcpTmiers; } || requires { P::kTcpTiemrs; } ||
      requires { P::kTcpTimres; } || requires { P::kTcpTimesr; } || requires { P::kcpTimers; } ||
      requires { P::kTpTimers; } || requires { P::kTcTimers; } || requires { P::kTcpimers; } ||
      requires { P::kTcpTmers; } || requires { P::kTcpTiers; } || requires { P::kTcpTimrs; } ||
      requires { P::kTcpTimes; } || requires { P::kTcpTimer; } || requires { P::kTTcpTimers; } ||
      requires { P::kTccpTimers; } || requires { P::kTcppTimers; } || requires { P::kTcpTTimers; } ||
      requires { P::kTcpTiimers; } || requires { P::kTcpTimmers; } || requires { P::kTcpTimeers; } ||
      requires { P::kTcpTimerrs; } || requires { P::kTcpTimerss; } || requires { P::KTcpTimers; } ||
      requires { P::ktcpTimers; } || requires { P::kTcptimers; } || requires { P::TcpTimers; } ||
      requires { P::tcp_timers; };
}
template <class P>
constexpr bool MisspellsLeakAfter() {
  return
      requires { P::keLakAfter; } || requires { P::kLaekAfter; } || requires { P::kLekaAfter; } ||
      requires { P::kLeaAkfter; } || requires { P::kLeakfAter; } || requires { P::kLeakAtfer; } ||
      requires { P::kLeakAfetr; } || requires { P::kLeakAftre; } || requires { P::keakAfter; } ||
      requires { P::kLakAfter; } || requires { P::kLekAfter; } || requires { P::kLeaAfter; } ||
      requires { P::kLeakfter; } || requires { P::kLeakAter; } || requires { P::kLeakAfer; } ||
      requires { P::kLeakAftr; } || requires { P::kLeakAfte; } || requires { P::kLLeakAfter; } ||
      requires { P::kLeeakAfter; } || requires { P::kLeaakAfter; } || requires { P::kLeakkAfter; } ||
      requires { P::kLeakAAfter; } || requires { P::kLeakAffter; } || requires { P::kLeakAftter; } ||
      requires { P::kLeakAfteer; } || requires { P::kLeakAfterr; } || requires { P::KLeakAfter; } ||
      requires { P::kleakAfter; } || requires { P::kLeakafter; } || requires { P::kLeakAfters; } ||
      requires { P::LeakAfter; } || requires { P::leak_after; };
}
template <class P>
constexpr bool MisspellsHoldTimes() {
  return
      requires { P::koHldTimes; } || requires { P::kHlodTimes; } || requires { P::kHodlTimes; } ||
      requires { P::kHolTdimes; } || requires { P::kHoldiTmes; } || requires { P::kHoldTmies; } ||
      requires { P::kHoldTiems; } || requires { P::kHoldTimse; } || requires { P::koldTimes; } ||
      requires { P::kHldTimes; } || requires { P::kHodTimes; } || requires { P::kHolTimes; } ||
      requires { P::kHoldimes; } || requires { P::kHoldTmes; } || requires { P::kHoldTies; } ||
      requires { P::kHoldTims; } || requires { P::kHoldTime; } || requires { P::kHHoldTimes; } ||
      requires { P::kHooldTimes; } || requires { P::kHolldTimes; } || requires { P::kHolddTimes; } ||
      requires { P::kHoldTTimes; } || requires { P::kHoldTiimes; } || requires { P::kHoldTimmes; } ||
      requires { P::kHoldTimees; } || requires { P::kHoldTimess; } || requires { P::KHoldTimes; } ||
      requires { P::kholdTimes; } || requires { P::kHoldtimes; } || requires { P::HoldTimes; } ||
      requires { P::hold_times; };
}
template <class P>
constexpr bool MisspellsNestedCheck() {
  return
      requires { P::keNstedCheck; } || requires { P::kNsetedCheck; } || requires { P::kNetsedCheck; } ||
      requires { P::kNesetdCheck; } || requires { P::kNestdeCheck; } || requires { P::kNesteCdheck; } ||
      requires { P::kNestedhCeck; } || requires { P::kNestedCehck; } || requires { P::kNestedChcek; } ||
      requires { P::kNestedChekc; } || requires { P::kestedCheck; } || requires { P::kNstedCheck; } ||
      requires { P::kNetedCheck; } || requires { P::kNesedCheck; } || requires { P::kNestdCheck; } ||
      requires { P::kNesteCheck; } || requires { P::kNestedheck; } || requires { P::kNestedCeck; } ||
      requires { P::kNestedChck; } || requires { P::kNestedChek; } || requires { P::kNestedChec; } ||
      requires { P::kNNestedCheck; } || requires { P::kNeestedCheck; } ||
      requires { P::kNesstedCheck; } || requires { P::kNesttedCheck; } ||
      requires { P::kNesteedCheck; } || requires { P::kNesteddCheck; } ||
      requires { P::kNestedCCheck; } || requires { P::kNestedChheck; } ||
      requires { P::kNestedCheeck; } || requires { P::kNestedChecck; } ||
      requires { P::kNestedCheckk; } || requires { P::KNestedCheck; } || requires { P::knestedCheck; } ||
      requires { P::kNestedcheck; } || requires { P::kNestedChecks; } || requires { P::NestedCheck; } ||
      requires { P::nested_check; };
}
template <class P>
constexpr bool MisspellsWatchStatements() {
  return
      requires { P::kaWtchStatements; } || requires { P::kWtachStatements; } ||
      requires { P::kWacthStatements; } || requires { P::kWathcStatements; } ||
      requires { P::kWatcShtatements; } || requires { P::kWatchtSatements; } ||
      requires { P::kWatchSattements; } || requires { P::kWatchSttaements; } ||
      requires { P::kWatchStaetments; } || requires { P::kWatchStatmeents; } ||
      requires { P::kWatchStateemnts; } || requires { P::kWatchStatemnets; } ||
      requires { P::kWatchStatemetns; } || requires { P::kWatchStatemenst; } ||
      requires { P::katchStatements; } || requires { P::kWtchStatements; } ||
      requires { P::kWachStatements; } || requires { P::kWathStatements; } ||
      requires { P::kWatcStatements; } || requires { P::kWatchtatements; } ||
      requires { P::kWatchSatements; } || requires { P::kWatchSttements; } ||
      requires { P::kWatchStaements; } || requires { P::kWatchStatments; } ||
      requires { P::kWatchStateents; } || requires { P::kWatchStatemnts; } ||
      requires { P::kWatchStatemets; } || requires { P::kWatchStatemens; } ||
      requires { P::kWatchStatement; } || requires { P::kWWatchStatements; } ||
      requires { P::kWaatchStatements; } || requires { P::kWattchStatements; } ||
      requires { P::kWatcchStatements; } || requires { P::kWatchhStatements; } ||
      requires { P::kWatchSStatements; } || requires { P::kWatchSttatements; } ||
      requires { P::kWatchStaatements; } || requires { P::kWatchStattements; } ||
      requires { P::kWatchStateements; } || requires { P::kWatchStatemments; } ||
      requires { P::kWatchStatemeents; } || requires { P::kWatchStatemennts; } ||
      requires { P::kWatchStatementts; } || requires { P::kWatchStatementss; } ||
      requires { P::KWatchStatements; } || requires { P::kwatchStatements; } ||
      requires { P::kWatchstatements; } || requires { P::WatchStatements; } ||
      requires { P::watch_statements; };
}
template <class P>
constexpr bool MisspellsSlowStatement() {
  return
      requires { P::klSowStatement; } || requires { P::kSolwStatement; } ||
      requires { P::kSlwoStatement; } || requires { P::kSloSwtatement; } ||
      requires { P::kSlowtSatement; } || requires { P::kSlowSattement; } ||
      requires { P::kSlowSttaement; } || requires { P::kSlowStaetment; } ||
      requires { P::kSlowStatmeent; } || requires { P::kSlowStateemnt; } ||
      requires { P::kSlowStatemnet; } || requires { P::kSlowStatemetn; } ||
      requires { P::klowStatement; } || requires { P::kSowStatement; } ||
      requires { P::kSlwStatement; } || requires { P::kSloStatement; } ||
      requires { P::kSlowtatement; } || requires { P::kSlowSatement; } ||
      requires { P::kSlowSttement; } || requires { P::kSlowStaement; } ||
      requires { P::kSlowStatment; } || requires { P::kSlowStateent; } ||
      requires { P::kSlowStatemnt; } || requires { P::kSlowStatemet; } ||
      requires { P::kSlowStatemen; } || requires { P::kSSlowStatement; } ||
      requires { P::kSllowStatement; } || requires { P::kSloowStatement; } ||
      requires { P::kSlowwStatement; } || requires { P::kSlowSStatement; } ||
      requires { P::kSlowSttatement; } || requires { P::kSlowStaatement; } ||
      requires { P::kSlowStattement; } || requires { P::kSlowStateement; } ||
      requires { P::kSlowStatemment; } || requires { P::kSlowStatemeent; } ||
      requires { P::kSlowStatemennt; } || requires { P::kSlowStatementt; } ||
      requires { P::KSlowStatement; } || requires { P::kslowStatement; } ||
      requires { P::kSlowstatement; } || requires { P::kSlowStatements; } ||
      requires { P::SlowStatement; } || requires { P::slow_statement; };
}
template <class P>
constexpr bool MisspellsSqliteArenaKib() {
  return
      requires { P::kqSliteArenaKib; } || requires { P::kSlqiteArenaKib; } ||
      requires { P::kSqilteArenaKib; } || requires { P::kSqltieArenaKib; } ||
      requires { P::kSqlietArenaKib; } || requires { P::kSqlitAerenaKib; } ||
      requires { P::kSqliterAenaKib; } || requires { P::kSqliteAernaKib; } ||
      requires { P::kSqliteArneaKib; } || requires { P::kSqliteAreanKib; } ||
      requires { P::kSqliteArenKaib; } || requires { P::kSqliteArenaiKb; } ||
      requires { P::kSqliteArenaKbi; } || requires { P::kqliteArenaKib; } ||
      requires { P::kSliteArenaKib; } || requires { P::kSqiteArenaKib; } ||
      requires { P::kSqlteArenaKib; } || requires { P::kSqlieArenaKib; } ||
      requires { P::kSqlitArenaKib; } || requires { P::kSqliterenaKib; } ||
      requires { P::kSqliteAenaKib; } || requires { P::kSqliteArnaKib; } ||
      requires { P::kSqliteAreaKib; } || requires { P::kSqliteArenKib; } ||
      requires { P::kSqliteArenaib; } || requires { P::kSqliteArenaKb; } ||
      requires { P::kSqliteArenaKi; } || requires { P::kSSqliteArenaKib; } ||
      requires { P::kSqqliteArenaKib; } || requires { P::kSqlliteArenaKib; } ||
      requires { P::kSqliiteArenaKib; } || requires { P::kSqlitteArenaKib; } ||
      requires { P::kSqliteeArenaKib; } || requires { P::kSqliteAArenaKib; } ||
      requires { P::kSqliteArrenaKib; } || requires { P::kSqliteAreenaKib; } ||
      requires { P::kSqliteArennaKib; } || requires { P::kSqliteArenaaKib; } ||
      requires { P::kSqliteArenaKKib; } || requires { P::kSqliteArenaKiib; } ||
      requires { P::kSqliteArenaKibb; } || requires { P::KSqliteArenaKib; } ||
      requires { P::ksqliteArenaKib; } || requires { P::kSqlitearenaKib; } ||
      requires { P::kSqliteArenakib; } || requires { P::kSqliteArenaKibs; } ||
      requires { P::SqliteArenaKib; } || requires { P::sqlite_arena_kib; };
}
template <class P>
constexpr bool MisspellsSqlitePages() {
  return
      requires { P::kqSlitePages; } || requires { P::kSlqitePages; } || requires { P::kSqiltePages; } ||
      requires { P::kSqltiePages; } || requires { P::kSqlietPages; } || requires { P::kSqlitPeages; } ||
      requires { P::kSqliteaPges; } || requires { P::kSqlitePgaes; } || requires { P::kSqlitePaegs; } ||
      requires { P::kSqlitePagse; } || requires { P::kqlitePages; } || requires { P::kSlitePages; } ||
      requires { P::kSqitePages; } || requires { P::kSqltePages; } || requires { P::kSqliePages; } ||
      requires { P::kSqlitPages; } || requires { P::kSqliteages; } || requires { P::kSqlitePges; } ||
      requires { P::kSqlitePaes; } || requires { P::kSqlitePags; } || requires { P::kSqlitePage; } ||
      requires { P::kSSqlitePages; } || requires { P::kSqqlitePages; } ||
      requires { P::kSqllitePages; } || requires { P::kSqliitePages; } ||
      requires { P::kSqlittePages; } || requires { P::kSqliteePages; } ||
      requires { P::kSqlitePPages; } || requires { P::kSqlitePaages; } ||
      requires { P::kSqlitePagges; } || requires { P::kSqlitePagees; } ||
      requires { P::kSqlitePagess; } || requires { P::KSqlitePages; } || requires { P::ksqlitePages; } ||
      requires { P::kSqlitepages; } || requires { P::SqlitePages; } || requires { P::sqlite_pages; };
}
template <class P>
constexpr bool MisspellsStatements() {
  return
      requires { P::ktSatements; } || requires { P::kSattements; } || requires { P::kSttaements; } ||
      requires { P::kStaetments; } || requires { P::kStatmeents; } || requires { P::kStateemnts; } ||
      requires { P::kStatemnets; } || requires { P::kStatemetns; } || requires { P::kStatemenst; } ||
      requires { P::ktatements; } || requires { P::kSatements; } || requires { P::kSttements; } ||
      requires { P::kStaements; } || requires { P::kStatments; } || requires { P::kStateents; } ||
      requires { P::kStatemnts; } || requires { P::kStatemets; } || requires { P::kStatemens; } ||
      requires { P::kStatement; } || requires { P::kSStatements; } || requires { P::kSttatements; } ||
      requires { P::kStaatements; } || requires { P::kStattements; } || requires { P::kStateements; } ||
      requires { P::kStatemments; } || requires { P::kStatemeents; } || requires { P::kStatemennts; } ||
      requires { P::kStatementts; } || requires { P::kStatementss; } || requires { P::KStatements; } ||
      requires { P::kstatements; } || requires { P::Statements; } || requires { P::statements; };
}
// Stops the build where a constant of P is one of these.
template <class P>
constexpr bool CheckSpelling() {
  static_assert(!MisspellsName<P>(),
                "roost profile: a constant is misspelt: the setting is kName");
  static_assert(!MisspellsPoolSize<P>(),
                "roost profile: a constant is misspelt: the setting is kPoolSize");
  static_assert(!MisspellsMaxOverflow<P>(),
                "roost profile: a constant is misspelt: the setting is kMaxOverflow");
  static_assert(!MisspellsPoolTimeout<P>(),
                "roost profile: a constant is misspelt: the setting is kPoolTimeout");
  static_assert(!MisspellsPoolRecycle<P>(),
                "roost profile: a constant is misspelt: the setting is kPoolRecycle");
  static_assert(!MisspellsPrePing<P>(),
                "roost profile: a constant is misspelt: the setting is kPrePing");
  static_assert(!MisspellsEchoPool<P>(),
                "roost profile: a constant is misspelt: the setting is kEchoPool");
  static_assert(!MisspellsMaxWaiters<P>(),
                "roost profile: a constant is misspelt: the setting is kMaxWaiters");
  static_assert(!MisspellsWhenAway<P>(),
                "roost profile: a constant is misspelt: the setting is kWhenAway");
  static_assert(!MisspellsMaxOvertakes<P>(),
                "roost profile: a constant is misspelt: the setting is kMaxOvertakes");
  static_assert(!MisspellsOpenBy<P>(),
                "roost profile: a constant is misspelt: the setting is kOpenBy");
  static_assert(!MisspellsOpenTimeout<P>(),
                "roost profile: a constant is misspelt: the setting is kOpenTimeout");
  static_assert(!MisspellsBackoffMin<P>(),
                "roost profile: a constant is misspelt: the setting is kBackoffMin");
  static_assert(!MisspellsBackoffMax<P>(),
                "roost profile: a constant is misspelt: the setting is kBackoffMax");
  static_assert(!MisspellsPingAfter<P>(),
                "roost profile: a constant is misspelt: the setting is kPingAfter");
  static_assert(!MisspellsPingTimeout<P>(),
                "roost profile: a constant is misspelt: the setting is kPingTimeout");
  static_assert(!MisspellsResetTimeout<P>(),
                "roost profile: a constant is misspelt: the setting is kResetTimeout");
  static_assert(!MisspellsKeepAlive<P>(),
                "roost profile: a constant is misspelt: the setting is kKeepAlive");
  static_assert(!MisspellsIdleLimit<P>(),
                "roost profile: a constant is misspelt: the setting is kIdleLimit");
  static_assert(!MisspellsLinger<P>(),
                "roost profile: a constant is misspelt: the setting is kLinger");
  static_assert(!MisspellsTcpTimers<P>(),
                "roost profile: a constant is misspelt: the setting is kTcpTimers");
  static_assert(!MisspellsLeakAfter<P>(),
                "roost profile: a constant is misspelt: the setting is kLeakAfter");
  static_assert(!MisspellsHoldTimes<P>(),
                "roost profile: a constant is misspelt: the setting is kHoldTimes");
  static_assert(!MisspellsNestedCheck<P>(),
                "roost profile: a constant is misspelt: the setting is kNestedCheck");
  static_assert(!MisspellsWatchStatements<P>(),
                "roost profile: a constant is misspelt: the setting is kWatchStatements");
  static_assert(!MisspellsSlowStatement<P>(),
                "roost profile: a constant is misspelt: the setting is kSlowStatement");
  static_assert(!MisspellsSqliteArenaKib<P>(),
                "roost profile: a constant is misspelt: the setting is kSqliteArenaKib");
  static_assert(!MisspellsSqlitePages<P>(),
                "roost profile: a constant is misspelt: the setting is kSqlitePages");
  static_assert(!MisspellsStatements<P>(),
                "roost profile: a constant is misspelt: the setting is kStatements");
  return true;
}
// clang-format on

}  // namespace roost::internal

#endif  // ROOST_INTERNAL_MISSPELT_H_
