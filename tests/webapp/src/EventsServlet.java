import jakarta.servlet.http.*;
import java.io.*;

/** /events?n=5&ms=200 sends n server-sent events, one every `ms` milliseconds, and ends. */
public class EventsServlet extends HttpServlet {
    @Override
    protected void service(HttpServletRequest in, HttpServletResponse out) throws IOException {
        int count = Texts.number(in.getParameter("n"), 5);
        int pause = Texts.number(in.getParameter("ms"), 200);
        out.setContentType("text/event-stream;charset=UTF-8");
        out.setHeader("Cache-Control", "no-cache");
        // What applications do for nginx, which would hold events back until a buffer is full.
        if (in.getParameter("unbuffered") != null) out.setHeader("X-Accel-Buffering", "no");
        for (int i = 1; i <= count; i++) {
            out.getOutputStream().print("data: " + i + "\n\n");
            out.flushBuffer();
            try {
                Thread.sleep(i < count ? pause : 0);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
