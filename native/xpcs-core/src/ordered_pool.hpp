// Tasks run by several threads and handed back in the order in which they came. The thread that takes the results works
// too while it waits, so `threads` is the number of busy threads; with one thread no other is made.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace xpcs {

/// A task fails by what it writes into itself: `run` must not throw.
template <class Task>
class OrderedPool {
 public:
  OrderedPool(unsigned threads, std::function<void(Task&, unsigned worker)> run) : run_(std::move(run)) {
    for (unsigned worker = 1; worker < threads; ++worker) helpers_.emplace_back([this, worker](const std::stop_token& stop) { help(stop, worker); });
  }
  ~OrderedPool() {
    for (auto& helper : helpers_) helper.request_stop();
    const std::scoped_lock lock(mutex_);
    waiting_.clear();
  }
  OrderedPool(const OrderedPool&) = delete;
  OrderedPool& operator=(const OrderedPool&) = delete;

  void push(std::unique_ptr<Task> task) {
    {
      const std::scoped_lock lock(mutex_);
      order_.push_back(std::make_unique<Slot>(Slot{std::move(task), false}));
      waiting_.push_back(order_.back().get());
    }
    work_.notify_one();
  }

  /// The oldest task, done. Must not be called when there is none.
  std::unique_ptr<Task> pop() {
    std::unique_lock lock(mutex_);
    while (!order_.front()->done) {
      if (!waiting_.empty()) {
        take(lock, 0);
      } else {
        finished_.wait(lock);
      }
    }
    auto task = std::move(order_.front()->task);
    order_.pop_front();
    return task;
  }
  [[nodiscard]] std::size_t size() const {
    const std::scoped_lock lock(mutex_);
    return order_.size();
  }

 private:
  struct Slot {
    std::unique_ptr<Task> task;
    bool done;
  };

  void take(std::unique_lock<std::mutex>& lock, unsigned worker) {
    Slot* slot = waiting_.front();
    waiting_.pop_front();
    lock.unlock();
    run_(*slot->task, worker);
    lock.lock();
    slot->done = true;
    finished_.notify_all();
  }
  void help(const std::stop_token& stop, unsigned worker) {
    std::unique_lock lock(mutex_);
    while (work_.wait(lock, stop, [this] { return !waiting_.empty(); })) take(lock, worker);
  }

  std::function<void(Task&, unsigned)> run_;
  mutable std::mutex mutex_;
  std::condition_variable_any work_;
  std::condition_variable finished_;
  std::deque<std::unique_ptr<Slot>> order_;
  std::deque<Slot*> waiting_;
  std::vector<std::jthread> helpers_;  // last: joined before the rest goes
};

}  // namespace xpcs
