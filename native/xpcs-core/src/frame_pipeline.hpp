// Frames from a reader through several threads: fetched in order by the caller's thread, worked on by any, taken in order again. What
// comes out does not depend on the number of threads.
#pragma once
#include <algorithm>
#include <exception>
#include <memory>
#include <vector>

#include "ordered_pool.hpp"
#include "xpcs/frame_reader.hpp"

namespace xpcs {

/// One run of frames on its way; a user's own adds what `work` makes of it. Used again for a later run.
struct FetchedPiece {
  std::unique_ptr<StoredFrames> stored;
  std::uint64_t bytes = 0;
  std::exception_ptr failure;  ///< of work
};

/// Until the reader ends. @param work on any thread @param take on the caller's thread, in the order of the file
/// @throws what fetch, work and take throw: the failure that lies first in the file
template <class Piece, class Work, class Take>
void run_pipeline(FrameReader& reader, unsigned threads, Work work, Take take) {
  constexpr std::uint64_t kWaitingBytes = std::uint64_t{64} << 20;
  OrderedPool<Piece> pool(threads, [&](Piece& piece, unsigned) {
    try {
      work(piece);
    } catch (...) {
      piece.failure = std::current_exception();
    }
  });
  std::vector<std::unique_ptr<Piece>> free;
  std::exception_ptr failure;
  std::uint64_t waitingBytes = 0;
  bool ended = false;
  const auto room = [&] { return pool.size() == 0 || (threads > 1 && pool.size() < 2 * threads && waitingBytes < kWaitingBytes); };
  while (true) {
    while (!ended && room()) {
      auto piece = free.empty() ? std::make_unique<Piece>() : std::move(free.back());
      if (!free.empty()) free.pop_back();
      try {
        ended = !reader.fetch(piece->stored);
      } catch (...) {
        failure = std::current_exception();  // told after what the frames before have to say
        ended = true;
      }
      if (ended) break;
      piece->failure = nullptr;
      piece->bytes = piece->stored->bytes();
      waitingBytes += piece->bytes;
      pool.push(std::move(piece));
    }
    if (pool.size() == 0) break;
    auto piece = pool.pop();
    waitingBytes -= piece->bytes;
    piece->stored->check();
    if (piece->failure) std::rethrow_exception(piece->failure);
    take(*piece);
    free.push_back(std::move(piece));
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace xpcs
