"""A client that speaks HTTP/2 to the daemon without gRPC's manners: it leaves messages unfinished and
answers untaken. For tests of what the daemon lets such clients do."""

import socket
import struct
import time

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings


def framed(message):
    """As gRPC sends it."""
    return struct.pack(">BI", 0, len(message)) + message


class RawHttp2:
    """One connection to a unix socket. One thread.

    With `takes_answers` False no answer's message fits the client's window: its call stays open."""

    def __init__(self, path, takes_answers=True):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.connection.initiate_connection()
        if not takes_answers:
            self.connection.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
        self.ended = {}  # stream -> its trailers, {} if it was reset
        self.closed = False
        self._flush()

    def close(self):
        self.socket.close()

    def call(self, method, token=None):
        """Opens a call of "Service/Method"; returns its stream."""
        stream = self.connection.get_next_available_stream_id()
        headers = [
            (":method", "POST"), (":scheme", "http"), (":path", f"/walden.v1.{method}"),
            (":authority", "walden"), ("content-type", "application/grpc"), ("te", "trailers"),
        ]
        if token is not None:
            headers.append(("authorization", f"Bearer {token}"))
        self.connection.send_headers(stream, headers)
        self._flush()
        return stream

    def ping(self):
        self.connection.ping(b"walden..")
        self._flush()

    def send_empty_message(self, stream):
        """A whole message without a field, and the end of the stream."""
        self.connection.send_data(stream, framed(b""), end_stream=True)
        self._flush()

    def send(self, streams, data, seconds):
        """Sends the bytes on each stream: as much of them as the daemon takes in that time. Returns how
        many those were, over all streams."""
        left = dict.fromkeys(streams, 0)  # stream -> bytes sent
        sent = 0
        deadline = time.monotonic() + seconds
        while left and not self.closed and time.monotonic() < deadline:
            self.pump(0.01)
            for stream in list(left):
                while (room := min(self._window(stream), len(data) - left[stream])) > 0:
                    self.connection.send_data(stream, data[left[stream] : left[stream] + room])
                    left[stream] += room
                    sent += room
                if stream in self.ended or left[stream] == len(data):
                    del left[stream]
            self._flush()
        return sent

    def pump(self, seconds):
        """Takes in what the daemon says, for that long."""
        deadline = time.monotonic() + seconds
        while not self.closed:
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                data = self.socket.recv(1 << 16)
            except socket.timeout:
                return
            except OSError:
                data = b""
            if not data:
                self.closed = True
                return
            try:
                events = self.connection.receive_data(data)
            except h2.exceptions.ProtocolError:  # the daemon goes on after its GOAWAY, h2 does not
                self.closed = True
                return
            for event in events:
                self._take(event)
            self._flush()

    def _take(self, event):
        if isinstance(event, h2.events.StreamReset):
            self.ended.setdefault(event.stream_id, {})
        elif isinstance(event, (h2.events.TrailersReceived, h2.events.ResponseReceived)):
            fields = {_text(name): _text(value) for name, value in event.headers}
            if "grpc-status" in fields:
                self.ended[event.stream_id] = fields
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.closed = True

    def _window(self, stream):
        if stream in self.ended:
            return 0
        return min(self.connection.local_flow_control_window(stream),
                   self.connection.max_outbound_frame_size)

    def _flush(self):
        data = self.connection.data_to_send()
        if not data:
            return
        self.socket.settimeout(30)
        try:
            self.socket.sendall(data)
        except OSError:
            self.closed = True


def _text(value):
    return value.decode() if isinstance(value, bytes) else value
