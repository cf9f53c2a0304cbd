// One parallel loop over numbered items with an explicit number of threads. The first exception wins and is rethrown.
#pragma once
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace xpcs {

/// Calls run(item, worker) for every item in [0, items); items are taken in order, by whichever worker is free.
template <class Run>
void parallel_for(std::size_t items, unsigned threads, Run run) {
  std::atomic<std::size_t> next{0};
  std::exception_ptr failure;
  std::mutex mutex;
  const auto work = [&](unsigned worker) {
    try {
      for (std::size_t item = next++; item < items; item = next++) run(item, worker);
    } catch (...) {
      const std::scoped_lock lock(mutex);
      if (!failure) failure = std::current_exception();
      next = items;
    }
  };
  std::vector<std::jthread> pool;
  for (unsigned worker = 1; worker < threads && worker < items; ++worker) pool.emplace_back(work, worker);
  work(0);
  pool.clear();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace xpcs
