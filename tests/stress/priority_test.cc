// tests/stress/priority_test.cc - the pool's lock gives its holder the priority of the threads that
// wait for it. Three threads on one processor: one of low priority holds the lock, one of high
// priority wants it, one of middle priority computes. What is asserted is the order of events, not
// a time.
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <mutex>
#include <thread>
#include <vector>

#include "roost/internal/mutex.h"

namespace roost {
namespace {

// A lock without inheritance. Shows that the test can fail.
class PlainLock {
 public:
  void Lock() { mu_.lock(); }
  void Unlock() { mu_.unlock(); }

 private:
  std::mutex mu_;
};

template <class L>
struct Scene {
  L lock;
  sem_t high_may_go;
  sem_t middle_may_go;
  std::atomic<int> events{0};
  std::atomic<int> high_has_the_lock{0};  // numbers of events; 0: not yet
  std::atomic<int> middle_runs{0};

  Scene() {
    sem_init(&high_may_go, 0, 0);
    sem_init(&middle_may_go, 0, 0);
  }
  ~Scene() {
    sem_destroy(&high_may_go);
    sem_destroy(&middle_may_go);
  }
  Scene(const Scene&) = delete;
  Scene& operator=(const Scene&) = delete;
};

template <class L>
void* Low(void* argument) {
  auto& scene = *static_cast<Scene<L>*>(argument);
  scene.lock.Lock();
  sem_post(&scene.high_may_go);    // runs at once, up to the lock
  sem_post(&scene.middle_may_go);  // runs at once, unless this thread has inherited
  scene.lock.Unlock();
  return nullptr;
}

template <class L>
void* High(void* argument) {
  auto& scene = *static_cast<Scene<L>*>(argument);
  while (sem_wait(&scene.high_may_go) != 0) {
  }
  scene.lock.Lock();
  scene.high_has_the_lock = ++scene.events;
  scene.lock.Unlock();
  return nullptr;
}

int64_t ProcessorTime() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

// Computes until the other has the lock, which cannot happen where nothing is inherited; then for a
// while.
template <class L>
void* Middle(void* argument) {
  auto& scene = *static_cast<Scene<L>*>(argument);
  while (sem_wait(&scene.middle_may_go) != 0) {
  }
  scene.middle_runs = ++scene.events;
  const int64_t start = ProcessorTime();
  while (scene.high_has_the_lock == 0 && ProcessorTime() - start < 50'000'000) {
  }
  return nullptr;
}

// A thread of this real-time priority on the first processor that this program may use. False: the
// system does not let us.
bool StartAt(int priority, void* (*body)(void*), void* argument, pthread_t& thread) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return false;
  int first = 0;
  while (!CPU_ISSET(first, &allowed)) ++first;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  sched_param parameters{};
  parameters.sched_priority = priority;
  pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
  pthread_attr_setschedpolicy(&attributes, SCHED_FIFO);
  pthread_attr_setschedparam(&attributes, &parameters);
  pthread_attr_setaffinity_np(&attributes, sizeof one, &one);
  const int error = pthread_create(&thread, &attributes, body, argument);
  pthread_attr_destroy(&attributes);
  if (error == 0) return true;
  std::printf("no thread with SCHED_FIFO here (%s)\n", std::strerror(error));
  return false;
}

void* Nothing(void*) { return nullptr; }

// Where it is not root's to give, or a container forbids it, inheritance cannot be shown.
bool MayHaveRealTimeThreads() {
  pthread_t thread;
  if (!StartAt(10, Nothing, nullptr, thread)) return false;
  pthread_join(thread, nullptr);
  return true;
}

template <class L>
void Play(Scene<L>& scene) {
  pthread_t high, middle, low;
  // The low one last: it runs when the others sleep.
  ASSERT_TRUE(StartAt(12, High<L>, &scene, high));
  ASSERT_TRUE(StartAt(11, Middle<L>, &scene, middle));
  ASSERT_TRUE(StartAt(10, Low<L>, &scene, low));
  for (pthread_t thread : {low, high, middle}) pthread_join(thread, nullptr);
}

TEST(PriorityTest, TheHighOneGetsTheLockBeforeTheMiddleOneRuns) {
  if (!MayHaveRealTimeThreads()) return;
  for (int round = 0; round < 20; ++round) {
    Scene<internal::Mutex> scene;
    ASSERT_NO_FATAL_FAILURE(Play(scene));
    EXPECT_LT(scene.high_has_the_lock, scene.middle_runs);
  }
}

TEST(PriorityTest, WithAPlainLockItWaitsForTheMiddleOne) {
  if (!MayHaveRealTimeThreads()) return;
  Scene<PlainLock> scene;
  ASSERT_NO_FATAL_FAILURE(Play(scene));
  EXPECT_GT(scene.high_has_the_lock, scene.middle_runs) << "the test above shows nothing";
}

// Needs no rights.
TEST(PriorityTest, ItIsALock) {
  internal::Mutex lock;
  constexpr int kEach = 20'000;
  int count = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < kEach; ++j) {
        const internal::MutexLock hold(lock);
        ++count;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(count, 4 * kEach);
}

TEST(PriorityTest, ATryOfALockThatIsHeldFails) {
  internal::Mutex lock;
  lock.Lock();
  std::thread([&] {
    const bool got = lock.TryLock();
    EXPECT_FALSE(got);
    if (got) lock.Unlock();
  }).join();
  lock.Unlock();
  const bool got = lock.TryLock();
  EXPECT_TRUE(got);
  if (got) lock.Unlock();
}

}  // namespace
}  // namespace roost
