// A running measurement as a JavaScript class: pushWords(bytes, first, frames), pushFrame(bytes, how), pushRigaku(bytes, end), push(chunk), openFile({path, format}),
// takeFile(end, ended), gap(n), setFrames(n), state(), gaps(most), waveVectors(), result(), write(provenance, warnings).
#include "binding.hpp"
#include "xpcs/live_series.hpp"

namespace xpcs::binding {
namespace {

/// A whole number from 0 to 2^53.
std::uint64_t frames_of(const Napi::CallbackInfo& info, std::size_t at, const char* name) {
  const double raw = info[at].IsNumber() ? info[at].As<Napi::Number>().DoubleValue() : -1;
  if (!(raw >= 0 && raw <= 9007199254740992.0)) throw js_error(info.Env(), Code::invalid_argument, std::string(name) + " must be a whole number from 0 to 2^53");
  return static_cast<std::uint64_t>(raw);
}

Packing packing_of(Napi::Env env, const std::string& name) {
  if (name == "none") return Packing::none;
  if (name == "lz4-block") return Packing::lz4_block;
  if (name == "lz4") return Packing::lz4;
  if (name == "bslz4") return Packing::bslz4;
  throw js_error(env, Code::invalid_argument, "frames are not packed as " + name);
}

class LiveObject final : public Napi::ObjectWrap<LiveObject> {
 public:
  explicit LiveObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<LiveObject>(info) {
    if (info.Length() != 3 || !info[0].IsObject()) throw Napi::TypeError::New(info.Env(), "LiveSeries(request, height, width)");
    const Request request = to_request(info[0].As<Napi::Object>());
    const LiveShape shape{static_cast<std::uint32_t>(frames_of(info, 1, "height")), static_cast<std::uint32_t>(frames_of(info, 2, "width"))};
    guarded(info.Env(), [&] { series_ = std::make_unique<LiveSeries>(request, shape); });
  }

  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "LiveSeries",
                       {InstanceMethod<&LiveObject::push>("push"), InstanceMethod<&LiveObject::push_words>("pushWords"), InstanceMethod<&LiveObject::push_frame>("pushFrame"),
                        InstanceMethod<&LiveObject::push_rigaku>("pushRigaku"), InstanceMethod<&LiveObject::gap>("gap"), InstanceMethod<&LiveObject::open_file>("openFile"), InstanceMethod<&LiveObject::take_file>("takeFile"),
                        InstanceMethod<&LiveObject::set_frames>("setFrames"), InstanceMethod<&LiveObject::state>("state"), InstanceMethod<&LiveObject::gaps>("gaps"), InstanceMethod<&LiveObject::wave_vectors>("waveVectors"), InstanceMethod<&LiveObject::result>("result"),
                        InstanceMethod<&LiveObject::write>("write")});
  }

 private:
  void push(const Napi::CallbackInfo& info) {
    const Napi::Object chunk = info[0].As<Napi::Object>();
    const auto frame = chunk.Get("frame").As<Napi::Uint32Array>();
    const auto pixel = chunk.Get("pixel").As<Napi::Uint32Array>();
    const auto count = chunk.Get("count").As<Napi::Int32Array>();
    const std::vector<std::int64_t> wide(count.Data(), count.Data() + count.ElementLength());
    guarded(info.Env(), [&] { series_->push({frame.Data(), frame.ElementLength()}, {pixel.Data(), pixel.ElementLength()}, wide); });
  }

  void push_words(const Napi::CallbackInfo& info) {
    if (!info[0].IsTypedArray()) throw js_error(info.Env(), Code::invalid_argument, "the events of a block must be bytes");
    const auto bytes = info[0].As<Napi::Uint8Array>();
    const std::uint64_t first = frames_of(info, 1, "first");
    const std::uint64_t frames = frames_of(info, 2, "frames");
    guarded(info.Env(), [&] { series_->push_words(std::as_bytes(std::span(bytes.Data(), bytes.ElementLength())), first, frames); });
  }

  /// pushFrame(bytes, {packing, wordBytes, elementBytes}): its events.
  Napi::Value push_frame(const Napi::CallbackInfo& info) {
    if (!info[0].IsTypedArray() || !info[1].IsObject()) throw js_error(info.Env(), Code::invalid_argument, "a frame is bytes, and how they are packed");
    const auto bytes = info[0].As<Napi::Uint8Array>();
    const Napi::Object how = info[1].As<Napi::Object>();
    PackedFrame packed;
    packed.bytes = {bytes.Data(), bytes.ElementLength()};
    packed.packing = packing_of(info.Env(), how.Get("packing").ToString().Utf8Value());
    packed.wordBytes = how.Get("wordBytes").ToNumber().Uint32Value();
    packed.elementBytes = how.Get("elementBytes").ToNumber().Uint32Value();
    const std::uint64_t events = guarded(info.Env(), [&] { return series_->push_frame(packed); });
    return Napi::Number::New(info.Env(), static_cast<double>(events));
  }

  /// pushRigaku(bytes, end): the words that were taken.
  Napi::Value push_rigaku(const Napi::CallbackInfo& info) {
    if (!info[0].IsTypedArray()) throw js_error(info.Env(), Code::invalid_argument, "the words of a file must be bytes");
    const auto bytes = info[0].As<Napi::Uint8Array>();
    const std::uint64_t end = frames_of(info, 1, "end");
    const std::uint64_t taken = guarded(info.Env(), [&] { return series_->push_rigaku(std::as_bytes(std::span(bytes.Data(), bytes.ElementLength())), end); });
    return Napi::Number::New(info.Env(), static_cast<double>(taken));
  }

  void open_file(const Napi::CallbackInfo& info) {
    const Napi::Object file = info[0].As<Napi::Object>();
    const std::string path = file.Get("path").ToString().Utf8Value();
    const Format format = to_format(file).value_or(Format::stream);
    guarded(info.Env(), [&] { series_->open_file(path, format); });
  }

  /// takeFile(end, ended): { frames, events, waits, closed }
  Napi::Value take_file(const Napi::CallbackInfo& info) {
    const std::uint64_t end = frames_of(info, 0, "end");
    const bool ended = info[1].ToBoolean();
    const FilePiece piece = guarded(info.Env(), [&] { return series_->take_file(end, ended); });
    Napi::Object out = Napi::Object::New(info.Env());
    out.Set("frames", static_cast<double>(piece.frames));
    out.Set("events", static_cast<double>(piece.events));
    out.Set("waits", piece.waits);
    out.Set("closed", piece.closed);
    return out;
  }

  void gap(const Napi::CallbackInfo& info) {
    const std::uint64_t frames = frames_of(info, 0, "frames");
    guarded(info.Env(), [&] { series_->gap(frames); });
  }

  void set_frames(const Napi::CallbackInfo& info) {
    const std::uint64_t frames = frames_of(info, 0, "frames");
    guarded(info.Env(), [&] { series_->set_frames(frames); });
  }

  Napi::Value state(const Napi::CallbackInfo& info) {
    Napi::Object out = Napi::Object::New(info.Env());
    out.Set("frames", static_cast<double>(series_->frames()));
    out.Set("missing", static_cast<double>(series_->missing()));
    out.Set("gaps", static_cast<double>(series_->gaps().size()));
    out.Set("dpl", static_cast<double>(series_->settings().dpl));
    out.Set("streamMemoryBytes", static_cast<double>(series_->bytes_max()));
    return out;
  }

  /// gaps(most): [from, to) of the first ones.
  Napi::Value gaps(const Napi::CallbackInfo& info) {
    const auto& all = series_->gaps();
    const auto most = static_cast<std::uint32_t>(std::min<std::uint64_t>(frames_of(info, 0, "most"), all.size()));
    Napi::Array out = Napi::Array::New(info.Env(), most);
    for (std::uint32_t n = 0; n < most; ++n) {
      Napi::Array gap = Napi::Array::New(info.Env(), 2);
      gap.Set(std::uint32_t{0}, static_cast<double>(all[n].first));
      gap.Set(std::uint32_t{1}, static_cast<double>(all[n].second));
      out.Set(n, gap);
    }
    return out;
  }

  Napi::Value wave_vectors(const Napi::CallbackInfo& info) {
    const std::vector<double> q = guarded(info.Env(), [&] { return series_->wave_vectors(); });
    Napi::Float64Array out = Napi::Float64Array::New(info.Env(), q.size());
    std::copy(q.begin(), q.end(), out.Data());
    return out;
  }

  Napi::Value result(const Napi::CallbackInfo& info) {
    const Averaging averaging = series_->settings().averaging;
    const CorrelationResult result = guarded(info.Env(), [&] { return series_->result(); });
    return to_result(info.Env(), result, series_->partition(), averaging);
  }

  /// write(provenance, warnings)
  Napi::Value write(const Napi::CallbackInfo& info) {
    std::map<std::string, std::string> provenance;
    const Napi::Object lines = info[0].As<Napi::Object>();
    const Napi::Array names = lines.GetPropertyNames();
    for (std::uint32_t i = 0; i < names.Length(); ++i) {
      const std::string name = names.Get(i).ToString().Utf8Value();
      provenance[name] = lines.Get(name).ToString().Utf8Value();
    }
    std::vector<std::string> warnings;
    const Napi::Array said = info[1].As<Napi::Array>();
    for (std::uint32_t i = 0; i < said.Length(); ++i) warnings.push_back(said.Get(i).ToString().Utf8Value());
    const Summary summary = guarded(info.Env(), [&] { return series_->write(provenance, warnings); });
    return to_object(info.Env(), summary);
  }

  std::unique_ptr<LiveSeries> series_;
};

}  // namespace

Napi::Function live_class(Napi::Env env) { return LiveObject::define(env); }

}  // namespace xpcs::binding
