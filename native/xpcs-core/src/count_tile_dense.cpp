// Whole frames of a tile: they lie as a chunk of level 0 does, so they are copied, and totals are added up a group of pixels at a time.
#include <algorithm>
#include <cstring>

#include "count_tile.hpp"
#include "lane_sums.hpp"

namespace xpcs {

/// The frames of one batch: into the chunk of level 0, and into the totals from stop to stop.
void CountTile::take_lines(const DenseBatch& batch, std::uint32_t frames) {
  constexpr std::size_t kGroupBytes = std::size_t{DenseBatch::kFrames} * kLanes;
  const std::uint32_t groups = (pixels_ + kLanes - 1) / kLanes;
  const std::uint8_t* lines = batch.lines(first_);
  const auto row = static_cast<std::uint32_t>(batch.base() - chunkStart_);
  const bool series = base_ < task_->scheme.levels;  // a single frame has no delay
  for (std::uint32_t group = 0; series && group < groups; ++group) {
    std::uint8_t* to = levels_.chunk() + LaneLevels::offset_of_block(row) + levels_.offset_of_pixel(group * kLanes);
    std::memcpy(to, lines + group * kGroupBytes, kGroupBytes);
    for (std::uint32_t f = frames; f < DenseBatch::kFrames; ++f) {
      for (std::uint32_t lane = 0; lane < kLanes; ++lane) to[LaneLevels::offset_of_block(f) + lane * kBytesPerRow] = 0;
    }
  }
  const std::span<const DenseBatch::Escape> escapes = batch.escapes(tile_);
  std::size_t nextEscape = 0;
  const auto add_until = [&](std::uint32_t from, std::uint32_t to) {
    for (std::uint32_t group = 0; group < groups; ++group) {
      const std::uint8_t* at = lines + group * kGroupBytes;
      std::uint32_t* total = total_.data() + group * kLanes;
      std::uint32_t f = from;
      const auto part = [&](std::uint32_t until) {
        const std::uint32_t mask = (until % 4 == 0 ? 0xFFFFFFFF : (1U << (8 * (until % 4))) - 1) & ~((1U << (8 * (f % 4))) - 1);
        lane_sums().totals(at + LaneLevels::offset_of_block(f / 4 * 4), 1, mask, total);
        f = until;
      };
      if (f % 4 != 0) part(std::min(to, f / 4 * 4 + 4));
      if (to - f >= 4) {
        lane_sums().totals(at + LaneLevels::offset_of_block(f), (to - f) / 4, 0xFFFFFFFF, total);
        f = to / 4 * 4;
      }
      if (f < to) part(to);
    }
    for (; nextEscape < escapes.size() && escapes[nextEscape].frame < batch.base() + to; ++nextEscape) {
      const std::uint32_t pixel = escapes[nextEscape].rank - first_;
      total_[pixel] += static_cast<std::uint32_t>(escapes[nextEscape].count);
      apart_[pixel] = 1;
      anyApart_ = true;
    }
  };
  std::uint32_t done = 0;
  while (done < frames) {
    stop_until(std::uint64_t{batch.base()} + done);
    const auto to = static_cast<std::uint32_t>(std::min<std::uint64_t>(stop_ - batch.base(), frames));
    add_until(done, to);
    done = to;
  }
}

void CountTile::walk(std::span<const DenseBatch> batches) {
  for (const DenseBatch& batch : batches) {
    if (batch.base() >= task_->frames) break;
    stop_until(batch.base());
    take_lines(batch, static_cast<std::uint32_t>(std::min<std::uint64_t>(DenseBatch::kFrames, task_->frames - batch.base())));
  }
}

void CountTile::correlate_apart(std::span<const DenseBatch> batches) {
  if (!anyApart_) return;
  apartPhotons_.resize(kTilePixels);
  for (std::uint32_t pixel = 0; pixel < pixels_; ++pixel) {
    if (apart_[pixel] == 0) continue;
    auto& photons = apartPhotons_[pixel];
    photons.clear();
    for (const DenseBatch& batch : batches) {
      batch.for_each(first_ + pixel, tile_, [&](std::uint32_t frame, std::uint32_t count) {
        if (frame < task_->frames) photons.emplace_back(frame, count);
      });
    }
    correlate_pixel(pixel);
  }
}

}  // namespace xpcs
