#include "stream_tile.hpp"

#include <cmath>

namespace xpcs {

/// Photons at which the tile folds them.
std::size_t StreamTile::many(std::size_t tile) const {
  constexpr std::size_t kTurns = 16;
  return pixels_ * (frames() > 0 ? kMany : kMany + (kManyFirst - kMany) * (tile % kTurns) / kTurns);
}

/// No count is negative, and none of the pixels comes to count more than a narrow state holds.
bool StreamTile::narrow(const StreamPart& part, std::size_t tile) const {
  double most = 0;
  double bound = 0;
  bool negative = false;
  for (const std::uint32_t total : state_.total) most = std::max(most, static_cast<double>(total));
  const auto add_large = [&](std::span<const std::int64_t> large) {
    for (const std::int64_t count : large) {
      negative = negative || count < 0;
      bound += static_cast<double>(count);
    }
  };
  for (const TileWords& words : part.fresh) add_large(words.aside);
  for (const IntegerBatch& batch : part.batches) add_large(batch.large(tile));
  if (negative) return false;
  bound += static_cast<double>(part.size(tile)) * IntegerBatch::kEscape;
  if (most + bound <= kNarrowMax) return true;
  std::vector<double> totals(state_.total.begin(), state_.total.end());
  totals.resize(kTilePixels, 0.0);
  part.for_each_new(tile, ~std::uint64_t{0}, [&](std::uint32_t, std::uint32_t local, std::int64_t count) { totals[local] += static_cast<double>(count); });
  return *std::max_element(totals.begin(), totals.end()) <= kNarrowMax;
}

/// The level from which blocks are kept: one finer than a like part would need, so that the next one is free to choose, but not so
/// that many photons must be kept one by one.
std::uint32_t StreamTile::fine_level(const StreamScheme& stream, std::uint64_t frames, double photons) const {
  const std::uint64_t now = wide_ ? wide_->frames : state_.frames;
  const std::uint32_t before = wide_ ? wide_->fine : state_.fine;
  const std::uint64_t available = now == 0 ? 0 : stream.photons_from(now, before);
  const auto length = static_cast<double>(frames - now);
  std::uint32_t fine = std::min(part_base(stream, frames - now, photons) + 1, StreamScheme::levels(frames) - 1);
  while (fine > 0 && photons / length * static_cast<double>(stream.photons_span(fine)) > kContextMost) --fine;
  while (fine > 0 && stream.photons_from(frames, fine) < available) --fine;
  return fine;
}

/// Of the part, the photons of the frames from `from` to `frames` become the context of the next one, those behind stay fresh.
void StreamTile::keep_photons(const StreamPart& part, std::size_t tile, std::uint64_t from, std::uint64_t frames) {
  WordList context, fresh;
  const auto keep = [&](std::uint32_t frame, std::uint32_t local, std::int64_t count) {
    if (frame >= frames) fresh.append(frame, local, count);
    else if (frame >= from) context.append(frame, local, count);
  };
  for (const TileWords& words : part.context) words.for_each(tile, keep);
  for (const TileWords& words : part.fresh) words.for_each(tile, keep);
  for (const IntegerBatch& batch : part.batches) {
    if (batch.last_frame() >= from) batch.for_each(tile, keep);
  }
  context_ = std::move(context);
  fresh_ = std::move(fresh);
}

void StreamTile::fold(const TileTask& task, const StreamScheme& stream, std::size_t tile, std::span<const IntegerBatch> batches, StreamWorker& worker) {
  std::size_t photons = fresh_.size();
  for (const IntegerBatch& batch : batches) photons += batch.size(tile);
  if (photons < many(tile) || task.frames <= frames()) {
    for (const IntegerBatch& batch : batches) fresh_.append(batch, tile);
    return;
  }
  const std::vector<TileWords> context = context_.parts();
  const std::vector<TileWords> fresh = fresh_.parts();
  const StreamPart part{stream, context, fresh, batches};
  const std::uint32_t fine = fine_level(stream, task.frames, static_cast<double>(photons) / pixels_);
  if (!wide_ && !narrow(part, tile)) {
    wide_ = std::make_unique<WideState>(state_);
    state_ = {};
  }
  const std::vector<std::vector<double>> closed = wide_ ? worker.wide.fold(task, tile, part, fine, *wide_) : worker.counts.fold(task, tile, part, fine, state_);
  windows_.resize(closed.size());
  for (std::size_t run = 0; run < closed.size(); ++run) windows_[run].insert(windows_[run].end(), closed[run].begin(), closed[run].end());
  keep_photons(part, tile, stream.photons_from(task.frames, wide_ ? wide_->fine : state_.fine), task.frames);
}

template <class Sum>
std::vector<RunSums<Sum>> StreamTile::answer(const TileTask& task, const StreamScheme& stream, std::size_t tile, std::span<const IntegerBatch> batches, StreamWorker& worker,
                                                std::vector<double>& pixelMean) const {
  const std::vector<TileWords> context = context_.parts();
  const std::vector<TileWords> fresh = fresh_.parts();
  const StreamPart part{stream, context, fresh, batches};
  std::vector<RunSums<Sum>> runs = wide_                ? worker.wide.answer<Sum>(task, tile, part, *wide_, pixelMean)
                                   : narrow(part, tile) ? worker.counts.answer<Sum>(task, tile, part, state_, pixelMean)
                                                        : worker.wide.answer<Sum>(task, tile, part, WideState(state_), pixelMean);
  for (std::size_t run = 0; run < windows_.size(); ++run) runs[run].windows.insert(runs[run].windows.begin(), windows_[run].begin(), windows_[run].end());
  return runs;
}

template std::vector<RunSums<Int128>> StreamTile::answer(const TileTask&, const StreamScheme&, std::size_t, std::span<const IntegerBatch>, StreamWorker&, std::vector<double>&) const;
template std::vector<RunSums<double>> StreamTile::answer(const TileTask&, const StreamScheme&, std::size_t, std::span<const IntegerBatch>, StreamWorker&, std::vector<double>&) const;

}  // namespace xpcs
